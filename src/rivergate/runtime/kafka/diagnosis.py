"""Why a broker ended, in one sentence, from what it left in its log."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from rivergate.domain.errors import RivergateError
from rivergate.runtime.kafka.errors import BrokerCrashed, PortInUse

_TAIL_BYTES = 256 * 1024

# (sign in the log, what happened, remedy); the first that is found speaks
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"node ID not found|cluster ID|Unable to read the broker metadata|Unrecognized version|meta\.properties",
        "the file that says whose log this is (log/meta.properties) is damaged",
        "put that file back from a copy, or move the folder `kafka` away to begin with an empty log",
    ),
    (
        r"Could not reserve enough space|insufficient memory|Too small .* heap|Invalid .* heap|OutOfMemoryError",
        "it didn't get the memory it needs",
        "free some memory, or give the broker another heap size",
    ),
    (r"No space left on device|Disk quota exceeded", "the disk is full", "free some space and start again"),
    (
        r"Permission denied|AccessDenied|Read-only file system",
        "it may not write to its folder",
        "make the folder writable, or name another one with --data-dir",
    ),
    (r"Too many open files", "it ran out of file descriptors", "raise the limit (`ulimit -n 65536`) and start again"),
    (
        r"ClassNotFoundException|NoClassDefFoundError|NoSuchMethodError|Unable to (locate|access) jarfile",
        "a part of Apache Kafka is missing from the cache",
        "delete the cache folder `kafka` (see `rivergate doctor`) and start again",
    ),
)
_EXCEPTION = re.compile(r"^(?:Caused by: )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error): (?P<message>.+)$", re.MULTILINE)


def explain_exit(output: str, log: str, *, code: int | None, port: int, where: Path) -> RivergateError:
    """The error to raise for a broker that ended with `code`, having said `output` and logged `log`."""
    said = f"{output}\n{_since_first_error(log)}"
    if code in {128 + signal.SIGKILL, 128 + signal.SIGTERM}:
        how = "killed" if code == 128 + signal.SIGKILL else "told to stop"
        return BrokerCrashed(
            f"Apache Kafka was {how} from outside",
            where=str(where.parent),
            remedy="start it again: what was committed is kept (if nobody did it, the system may have run out of memory)",
        )
    if "Address already in use" in said:
        taken = re.search(r"127\.0\.0\.1:(\d+): Address already in use", said)
        return PortInUse(
            f"port {taken.group(1) if taken else port} was taken by another program while the broker started",
            remedy="start again, or choose another port with --port",
        )
    for sign, what, remedy in _KNOWN:
        if re.search(sign, said):
            return BrokerCrashed(f"Apache Kafka stopped: {what}", where=str(where.parent), remedy=remedy)
    reasons = _EXCEPTION.findall(said)
    reason = reasons[-1].strip().rstrip(".") if reasons else f"it gave no reason, exit code {code}"
    return BrokerCrashed(
        f"Apache Kafka stopped: {reason}",
        where=str(where.parent),
        remedy=f"the whole story stands in {where.name} there",
    )


def _since_first_error(log: str) -> str:
    """Without the lines of normal work, which speak of everything."""
    found = re.search(r"^\S+ (?:ERROR|FATAL) ", log, re.MULTILINE)
    return log[found.start() :] if found else ""


def text_after(path: Path, offset: int) -> str:
    """What a file holds from `offset` on (all of it if it has become shorter), at most its last 256 KiB."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(offset if offset <= size else 0, size - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def size_of(path: Path) -> int:
    """The file's length in bytes, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
