"""Rekeying: an app that is full goes on as another one with more partitions (`rivergate rekey`)."""
