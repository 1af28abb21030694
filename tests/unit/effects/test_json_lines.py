from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import orjson
import pytest

from rivergate.domain.errors import RivergateError
from rivergate.effects import Action, JsonLines, Outcome

WRITER = """
import sys
from pathlib import Path
from rivergate.effects import Action, JsonLines
lines = JsonLines(Path(sys.argv[1]), lambda: 0)
for key in sys.stdin:
    outcome = lines.perform(Action(key.strip(), "note", {"text": "x" * 3000}, "e", ""), 0)
    print(key.strip(), outcome.status, flush=True)
"""


def action(key: str, **arguments: object) -> Action:
    """An action under this key."""
    return Action(key, "note", arguments, "events/0/0", "")


def keys_in(path: Path) -> list[str]:
    """The keys in the file, in order."""
    return [orjson.loads(line)["proposal_id"] for line in path.read_bytes().splitlines()]


def test_a_line_says_what_was_done_and_for_which_event(tmp_path: Path) -> None:
    """One JSON object a line."""
    path = tmp_path / "orders" / "out.jsonl"
    outcome = JsonLines(path, lambda: 1_000_000).perform(action("a", n=1), 0)
    assert outcome == Outcome("done", "written to out.jsonl")
    assert orjson.loads(path.read_bytes()) == {
        "proposal_id": "a",
        "kind": "note",
        "arguments": {"n": 1},
        "event_id": "events/0/0",
        "at": "1970-01-01T00:00:01.000000Z",
    }


def test_a_key_is_written_once_whoever_asks(tmp_path: Path) -> None:
    """The same effector again, another one on the same file, and one that starts later."""
    path = tmp_path / "out.jsonl"
    one, two = JsonLines(path, lambda: 0), JsonLines(path, lambda: 0)
    for effector in (one, two, one, JsonLines(path, lambda: 0)):
        assert effector.perform(action("a"), 0).status == "done"
        two.perform(action("b"), 0)
    assert keys_in(path) == ["a", "b"]


def test_threads_write_each_key_once(tmp_path: Path) -> None:
    """Two effectors and eight threads, all with the same keys."""
    path = tmp_path / "out.jsonl"
    effectors = [JsonLines(path, lambda: 0) for _ in range(2)]

    def write(n: int) -> None:
        for key in random.Random(n).sample(range(30), 30):
            effectors[n % 2].perform(action(str(key)), 0)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(keys_in(path), key=int) == [str(n) for n in range(30)]


@pytest.mark.parametrize("torn", [b'{"proposal_id": "b", "ki', b'{"proposal_id":"b"}', b"\x00\xff"])
def test_a_torn_last_line_is_cut_off_and_written_again(tmp_path: Path, torn: bytes) -> None:
    """It was never reported as done, however much of it is there."""
    path = tmp_path / "out.jsonl"
    JsonLines(path, lambda: 0).perform(action("a"), 0)
    with path.open("ab") as f:
        f.write(torn)
    effector = JsonLines(path, lambda: 0)
    assert effector.reconcile(action("b")) is None
    effector.perform(action("b"), 0)
    assert keys_in(path) == ["a", "b"]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """What isn't one of our lines is an error that says where and what to do."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"dear diary\n")
    with pytest.raises(RivergateError, match="isn't one of ours"):
        JsonLines(path, lambda: 0).perform(action("a"), 0)
    assert path.read_bytes() == b"dear diary\n"


def test_reconcile_knows_what_others_wrote(tmp_path: Path) -> None:
    """It looks at the file, not at its memory."""
    path = tmp_path / "out.jsonl"
    mine = JsonLines(path, lambda: 0)
    assert mine.reconcile(action("a")) is None
    JsonLines(path, lambda: 0).perform(action("a"), 0)
    assert mine.reconcile(action("a")) == Outcome("done", "was written already")


def test_killed_writers_never_lose_or_double_a_line(tmp_path: Path) -> None:
    """Two processes write the same keys and are killed at random moments; whatever was confirmed is there once."""
    path = tmp_path / "out.jsonl"
    keys = [f"{n:04}" for n in range(400)]
    chance = random.Random(7)
    confirmed: set[str] = set()
    for _ in range(4):
        writers = [start_writer(path, chance.sample(keys, len(keys))) for _ in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            for _ in range(chance.randrange(5, 60)):
                confirmed.add(writer.stdout.readline().split()[0].decode())
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            out, _ = writer.communicate()
            confirmed |= {line.split()[0].decode() for line in out.splitlines() if line.endswith(b"done")}
    JsonLines(path, lambda: 0).perform(action("last"), 0)
    counts = Counter(keys_in(path))
    assert max(counts.values()) == 1
    assert confirmed <= counts.keys()


def start_writer(path: Path, keys: list[str]) -> subprocess.Popen[bytes]:
    """A process that writes these keys and confirms each."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ.copy()
    )
    assert writer.stdin is not None
    writer.stdin.write("".join(f"{k}\n" for k in keys).encode())
    writer.stdin.flush()
    return writer
