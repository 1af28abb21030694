"""Audit: spans as bytes, the records of decisions, and what they say together. No database and no Kafka here."""
