"""An app that a test copies elsewhere, runs, and deploys other code of."""
