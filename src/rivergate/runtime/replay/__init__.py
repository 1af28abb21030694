"""Answers about the past, from the log and the snapshots, in processes of their own."""
