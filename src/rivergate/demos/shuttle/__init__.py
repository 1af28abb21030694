"""The flagship demo: machines send telemetry, an agent learns to spot trouble, a policy and a person decide."""
