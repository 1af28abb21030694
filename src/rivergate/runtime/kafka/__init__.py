"""The local Apache Kafka: resolved, verified, started and stopped from Python alone."""

from rivergate.runtime.kafka.errors import BrokerCrashed, BrokerSilent, DataDirInUse, DistributionUnavailable, PortInUse
from rivergate.runtime.kafka.server import LocalKafka

__all__ = ["BrokerCrashed", "BrokerSilent", "DataDirInUse", "DistributionUnavailable", "LocalKafka", "PortInUse"]
