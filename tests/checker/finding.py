"""What the checker can find: the rules of the wire contract, one name each."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Rule(StrEnum):
    """A sentence of `docs/reference/wire.md` that doesn't hold."""

    # the envelope
    HEADERS_MISSING = "a CloudEvent lacks a header"
    UNREADABLE = "not the form that the contract gives it"
    WRONG_TYPE = "a record type on a topic that isn't its own"
    WRONG_SOURCE = "ce_source isn't the stage that committed it"
    WRONG_TIME = "a time isn't the shard's clock, or not RFC 3339 in UTC with microseconds"
    PARTITION_COUNT = "a system topic has another partition count"
    ELSEWHERE = "a derived record has another partition or key than its cause"
    OTHER_TRACE = "a derived record belongs to another trace than its cause"

    # proposals
    NOTHING_THERE = "no proposal, or no journal"
    WRONG_ID = "an id doesn't follow from what it names"
    WRONG_ARGUMENTS_DIGEST = "a digest isn't that of the arguments beside it"
    WRONG_EVENT = "the event that a proposal names isn't there, or has another id"
    ORDINAL_GAP = "ordinals of an event's proposals don't count from 0"
    NO_END = "a proposal came to nothing"
    SEVERAL_ENDS = "a proposal ended in more than one way"
    DOUBLED = "written more often than once"
    FROM_NOWHERE = "there is nothing that it could come from"

    # reviews
    REVISION_GAP = "revisions of a review don't count"
    END_DISAGREES = "a settled review and the proposal's end say different things, or in different commits"
    UNSIGNED = "no signature of a key that is trusted for it"
    UNAPPROVED = "a reviewed action without counted approvals"
    OTHER_REVISION = "people approved something else"
    NO_QUORUM = "fewer people approved than were needed"
    MAKER_IS_CHECKER = "somebody approved what they made"

    # actions and outcomes
    OTHER_ARGUMENTS = "an allowed action has other arguments than its proposal"
    PAST_REVIEW = "an action past its open review, or reviewed without one"
    UNKNOWN_POLICY = "a verdict under a policy that never was in force"
    WITHOUT_INTENT = "an outcome without an intent before it"
    AFTER_FINAL = "an attempt or outcome after the final one"
    NO_EFFECT_NAMED = "a failure that doesn't say whether the world was touched"

    # journals
    WRONG_SHARD = "a commit record in another shard's journal"
    JOURNAL_GAP = "sequence numbers with a gap"
    CHAIN_BROKEN = "`previous` isn't the digest of the record before"
    CLOCK_BACK = "a shard's clock went back"
    CLOCK_AHEAD = "a clock over a minute ahead of the broker's"
    EPOCH_BACK = "a shard's epoch went back"
    SNAPSHOT_AHEAD = "a snapshot of a commit to come"
    READ_TWICE = "a range begins before the end of the one before"
    UNREAD = "committed records that no range covers"
    TWO_READERS = "a partition read by two shards"
    OPEN_UNREAD = "open, but never read"
    SPOKE_MUTED = "a muted commit wrote something else than dead letters"
    MUTED_WRONGLY = "muted after it had caught up, not muted before, or past and present in one commit"
    TORN_COMMIT = "outputs aren't those that the commit counts"
    WRONG_DIGEST = "outputs and commit don't hash to the digest"
    TORN_SPANS = "span records aren't those that the commit counts"
    OF_NO_COMMIT = "an output of a commit that isn't in the journal"
    OF_NO_STAGE = "a record that only a stage may write, from none"
    OFFSET_DIFFERS = "a committed offset, or its metadata, isn't what the journal says"
    NO_METADATA = "a committed offset without metadata"

    # dead letters, labels, spans, control
    NO_LETTER = "skipped, without exactly one dead letter"
    LETTER_OF_NOTHING = "a dead letter that its commit didn't skip"
    LETTER_DIFFERS = "a dead letter isn't the record that it was"
    LABEL_ELSEWHERE = "a label on another partition than its event"
    LABEL_OF_NOTHING = "a label without the outcome or decision that it says it came from"
    NO_SPAN = "judged, reviewed or done without a span"
    SPAN_OF_NOTHING = "a gate's span of what was not judged"
    OTHER_VERDICT = "a gate's span names another verdict than the record"
    UNSETTLED = "not come to rest"


class Finding(NamedTuple):
    """One thing that doesn't hold: which rule, and where."""

    rule: Rule
    what: str

    def __str__(self) -> str:
        return f"{self.rule.name.lower()} ({self.rule.value}): {self.what}"
