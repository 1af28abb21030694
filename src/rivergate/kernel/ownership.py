"""Whether a shard is still ours. The broker says so of a commit; a driver that comes back from a broken session has to ask
the journal, since to fence anew throws out whoever took the shard over meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from rivergate.domain.errors import Fenced
from rivergate.domain.journal import CommitRecord
from rivergate.kernel.journal_line import commit_of
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.ports import LogArchive

_LOG = logging.getLogger("rivergate.kernel")

Own = Callable[[CommitRecord], bool]
"""Whether a commit with the number that comes next is the one that we attempted."""

LOOK_S = 2.0
"""How long a look before the fence may take: it only spares a successor, and what is read after the fence decides."""


def refuse_successor(spec: ShardSpec, standing: Standing, found: CommitRecord | None, own: Own) -> None:
    """Raise `Fenced` where a commit in the journal is another owner's than the one who stands here."""
    if found is None or found.seq < standing.seq or (found.seq == standing.seq and own(found)):
        return
    raise Fenced(f"{spec.name}: {found.worker} has committed {found.seq}, so the shard is another owner's by now")


def look_for_successor(reader: Callable[[], LogArchive], spec: ShardSpec, standing: Standing, own: Own) -> None:
    """Like `refuse_successor`, of what the journal shows of commits behind `standing` before anybody is fenced.

    It may show less than there is. A look that fails or lasts too long is no reason to stop: a broker that is away and
    a transaction left open are what the fence that follows is for. So it has a thread and a reader of its own, which
    are left behind.
    """
    seen: list[CommitRecord] = []

    def look() -> None:
        try:
            looking = reader()
            try:
                for r in looking.scan(*spec.journal, standing.journal_offset + 1):
                    record = commit_of(spec, r.value or b"", r.offset)
                    if record is not None:
                        seen.append(record)
            finally:
                looking.close()
        except Exception as e:  # noqa: BLE001 - whatever it is, the fence that follows finds it too
            _LOG.info("%s: no look at the journal before fencing: %s", spec.name, e)

    thread = threading.Thread(target=look, name=f"{spec.name}-look", daemon=True)
    thread.start()
    thread.join(LOOK_S)
    for record in tuple(seen):
        refuse_successor(spec, standing, record, own)


def of_this_owner(spec: ShardSpec, standing: Standing) -> Own:
    """By worker and epoch. Two owners are alike in both if one has a name again before the other has committed: that is
    enough where another's commit is as good as one's own, being folded again, and not where it stands for deeds.
    """
    return lambda found: (found.worker, found.epoch, found.previous) == (spec.worker, standing.epoch, standing.digest)
