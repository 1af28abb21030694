"""The review queue: proposals that wait for people, as a view of the log, and decisions as signed records on it.

Everything here is pure: databases are under `adapters`, pages and HTTP under `web`.
"""
