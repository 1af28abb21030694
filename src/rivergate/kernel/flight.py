"""A commit in flight: ended in a thread of its own, while the shard's thread folds the next batch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from rivergate.domain.journal import CommitRecord


class Flight:
    """At most one commit at a time. One thread uses it.

    Only what waits for the broker is done elsewhere: to write the records there too cost 2 µs each, since the two
    threads took Python's lock from one another. From `start` until `land` or `wait` returns, the log is the
    commit's, save for `ShardLog.poll`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: ThreadPoolExecutor | None = None
        self._up: tuple[CommitRecord, Future[object]] | None = None

    @property
    def record(self) -> CommitRecord | None:
        """What is being committed."""
        return self._up[0] if self._up else None

    def start(self, record: CommitRecord, end: Callable[[], object]) -> None:
        """Take the last steps of its commit. Nothing else may be in flight."""
        if self._up is not None:
            raise RuntimeError(f"{self._name}: a commit is in flight already")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{self._name}-commit")
        self._up = record, self._thread.submit(end)

    def land(self) -> CommitRecord | None:
        """Wait until what is in flight is committed, and say what it was. Raises what the commit raised."""
        if self._up is None:
            return None
        record, future = self._up
        self._up = None
        future.result()
        return record

    def wait(self) -> None:
        """Wait until nothing is in flight, however it ends."""
        if self._up is not None:
            _, future = self._up
            self._up = None
            future.exception()

    def close(self) -> None:
        """Let the thread end."""
        self.wait()
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None
