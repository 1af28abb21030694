"""The supervisor: which processes there are, which shards they hold, and what becomes of those that die."""
