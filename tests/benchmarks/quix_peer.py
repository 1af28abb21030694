"""The peer Quix Streams, exactly-once: `python -m tests.benchmarks.quix_peer JSON`, in an environment of its own.

Used as its users would at their best: our batch as `commit_every`, our client settings as extra configuration, its own
JSON (orjson), no state store: what it learns is in its memory alone. The time begins with the first record in hand, after it has joined its group.
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application, message_context
from tests.benchmarks import by_hand, telling
from tests.benchmarks.by_hand import PROPOSING, Stamps, event_id_of
from tests.benchmarks.telling import Clock, collect_rarely, tell

COMMIT_S = 0.5


class Run:
    """One application, from its first record to the commit of its last."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._stamps = Stamps(job["app"], job["stage"])
        self._clock = Clock()
        self._figures: dict[str, float] = {}
        self._left = self._left_before = sum(job["inputs"].values())
        self._at = self._n = self._commits = 0
        self.counts: dict[str, int] = {}
        self._quix = Application(
            job["bootstrap"],
            consumer_group=f"{job['app']}.quix",
            auto_offset_reset="earliest",
            processing_guarantee="exactly-once",
            commit_every=job["batch"],
            commit_interval=COMMIT_S,
            consumer_extra_config=job["consumer"],
            producer_extra_config=job["producer"],
            auto_create_topics=False,
            use_changelog_topics=False,
            loglevel="WARNING",
        )

    def run(self) -> dict[str, Any]:
        """What was measured."""
        {"passing": self._pass, "learning": self._learn}[self._job["stage"]]()
        context = self._quix._processing_context
        self._begin_checkpoint, context.init_checkpoint = context.init_checkpoint, self._committed
        collect_rarely(self._job["garbage"])
        tell({"ready": True})
        self._quix.run()
        return {**self._figures, "commits": self._commits, **self.counts}

    def _pass(self) -> None:
        stamps = self._stamps

        def copy_headers(_value: Any, _key: Any, _time: int, headers: Any) -> Any:
            return stamps.copy_headers(dict(headers)["traceparent"], self._n)

        copies = self._quix.topic(f"{self._job['app']}-copies")
        made = self._input(0).apply(lambda value: by_hand.copied(self._counted(value)))
        made.set_headers(copy_headers).to_topic(copies, key=lambda value: value["line"].encode())

    def _learn(self) -> None:
        stamps = self._stamps
        predict, label = by_hand.learning(by_hand.logistic_regression(), self.counts)

        def propose(value: dict[str, Any], _key: Any, _time: int, headers: Any) -> dict[str, Any] | None:
            event_id = event_id_of(dict(headers))
            sure = predict(event_id, self._counted(value))
            if value["n"] % PROPOSING:
                return None
            place = message_context()
            return stamps.proposal(value, event_id, place.topic, place.offset, sure)

        def proposal_headers(value: dict[str, Any], _key: Any, _time: int, headers: Any) -> Any:
            return stamps.proposal_headers(value["arguments"]["n"], dict(headers)["traceparent"], self._n)

        def learn(value: dict[str, Any]) -> None:
            label(value)
            self._took()

        proposals = self._quix.topic(f"{self._job['app']}.proposals")
        made = self._input(0).apply(propose, metadata=True).filter(lambda made: made is not None)
        made.set_headers(proposal_headers).to_topic(proposals)
        self._input(1).update(learn)

    def _input(self, number: int) -> Any:
        return self._quix.dataframe(self._quix.topic(list(self._job["inputs"])[number]))

    def _counted(self, value: dict[str, Any]) -> dict[str, Any]:
        if not self._at:
            self._clock.start()
        self._at += 1
        self._n += 1
        self._took()
        return value

    def _took(self) -> None:
        self._left -= 1
        if not self._left:
            self._quix.stop()  # commits once the record is done with

    def _committed(self) -> None:
        """Before the first checkpoint, and after each: Quix begins the next one."""
        self._commits += self._left < self._left_before
        self._left_before, self._n = self._left, 0
        if not self._left:
            self._figures = self._figures or self._clock.figures()
        if self._job["told"]:
            tell({"at": self._at})
        self._stamps.start_batch(self._commits)
        self._begin_checkpoint()


if __name__ == "__main__":
    tell(Run(telling.job()).run())
