"""The demo's app before and after a second agent joined it."""
