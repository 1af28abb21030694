"""librdkafka's errors as ours: which end the session, which want a rebuild, which say that the broker is away."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from rivergate.domain.errors import (
    BrokerUnavailable,
    CommitUnknown,
    Fenced,
    RivergateError,
    TransactionAborted,
    UnknownTopic,
)

_FENCED = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}
_AWAY = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,  # a broker that has just started says so,
    KafkaError.NOT_LEADER_FOR_PARTITION,  # and this
}
FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
}
"""The broker won't have us do it, however often we ask."""
_UNKNOWN_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}


def error_of(e: KafkaException) -> KafkaError:
    """The KafkaError inside."""
    found = e.args[0]
    assert isinstance(found, KafkaError)  # noqa: S101 - confluent-kafka's contract
    return found


def translated(e: KafkaException, doing: str, bootstrap: str) -> RivergateError:
    """Our error for what went wrong outside of a transaction's end."""
    error = error_of(e)
    what = f"{doing}: {error.str()} ({error.name()})"
    if error.code() in _FENCED:
        return Fenced(what, remedy="another owner has taken over; nothing is to be done")
    if error.code() in _UNKNOWN_TOPIC:
        return UnknownTopic(what, remedy="create it with `rivergate topics apply`")
    if error.code() in _AWAY or error.retriable():
        return BrokerUnavailable(what, where=bootstrap, remedy="see whether the broker runs and is reachable")
    remedy = "have whoever runs the broker permit it (ACLs)" if error.code() in FORBIDDEN else ""
    return RivergateError(what, where=bootstrap, remedy=remedy)


def transaction_error(e: KafkaException, doing: str) -> RivergateError:
    """Our error for a transaction that didn't go through."""
    error = error_of(e)
    what = f"{doing}: {error.str()} ({error.name()})"
    if error.code() in _FENCED:
        return Fenced(what, remedy="another owner has taken over, or the broker's transaction timeout has passed")
    if error.txn_requires_abort():
        return TransactionAborted(what)
    return CommitUnknown(what)
