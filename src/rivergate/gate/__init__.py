"""The gate: rules that people wrote, judged over proposals; what they leave open waits for a person."""
