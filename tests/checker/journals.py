"""Commit records in order, and the records that carry their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.checker.finding import Finding, Rule
from tests.checker.line import Line, Partition

_INTEGERS = ("shard", "seq", "epoch")
_TEXTS = ("stage", "clock", "code", "digest", "previous", "worker")
_LISTS = ("ranges", "broadcast", "open", "skipped")


@dataclass(frozen=True)
class Commit:
    """One commit record and where it stands: the topic names the stage, the partition the shard."""

    line: Line
    stage: str
    value: dict[str, Any]

    @property
    def shard(self) -> int:
        """The partition that it stands on."""
        return self.line.partition

    @property
    def seq(self) -> int:
        """Its sequence number."""
        return int(self.value["seq"])

    @property
    def name(self) -> str:
        """As `rg_commit` spells it: `stage/shard/seq`."""
        return f"{self.stage}/{self.shard}/{self.seq}"

    @property
    def ranges(self) -> list[tuple[str, int, int, int]]:
        """What it read, in order."""
        return [(t, p, a, b) for t, p, a, b in self.value["ranges"]]

    @property
    def skipped(self) -> list[str]:
        """Places of what it gave to the dead letters."""
        return [f"{t}/{p}/{o}" for t, p, o in self.value["skipped"]]


def problem_of(value: dict[str, Any] | None) -> str:
    """What keeps a value from being a commit record, or nothing."""
    if value is None:
        return "not a JSON object"
    for names, kind in ((_INTEGERS, int), (_TEXTS, str), (_LISTS, list)):
        for name in names:
            if not isinstance(value.get(name), kind):
                return f"{name} is {value.get(name)!r}"
    outputs, spans, snapshot = value.get("outputs"), value.get("spans"), value.get("snapshot", 0)
    if not isinstance(outputs, dict) or not all(isinstance(n, int) for n in outputs.values()):
        return f"outputs are {outputs!r}"
    if not isinstance(spans, dict) or {type(spans.get("records")), type(spans.get("digest"))} != {int, str}:
        return f"spans are {spans!r}"
    if snapshot is not None and (not isinstance(snapshot, dict) or not {"digest", "seq"} <= snapshot.keys()):
        return f"snapshot is {snapshot!r}"
    if len(value["previous"]) != 64 or set(value["previous"]) - set("0123456789abcdef"):
        return f"previous is {value['previous']!r}"
    for name, length in (("ranges", 4), ("open", 3), ("skipped", 3)):
        wanted = [str] + [int] * (length - 1)
        if any(not isinstance(x, list) or [type(y) for y in x] != wanted for x in value[name]):
            return f"{name} are {value[name]!r}"
    return ""


class Journals:
    """Chains of commits by (stage, shard), and what each commit wrote: `n` to record, spans under `s{n}`."""

    def __init__(self, app: str, lines: Iterable[Line], lows: Mapping[Partition, int]) -> None:
        self.problems: list[Finding] = []
        self.chains: dict[tuple[str, int], list[Commit]] = defaultdict(list)
        self.outputs: dict[str, dict[str, Line]] = defaultdict(dict)
        self._prefix = f"{app}.journal."
        self._lows = lows
        for line in lines:
            if line.topic.startswith(self._prefix):
                self._add_commit(line)
            elif "rg_commit" in line.headers:
                self._add_output(line)
        self.by_name = {c.name: c for chain in self.chains.values() for c in chain}
        self.skipped = {place for c in self.by_name.values() for place in c.skipped}

    @property
    def stages(self) -> set[str]:
        """Stages with a commit."""
        return {stage for stage, _ in self.chains}

    def first_kept(self, stage: str, shard: int) -> int:
        """The first offset of a shard's journal that is still there; 0 where nothing was trimmed."""
        return self._lows.get((self._prefix + stage, shard), 0)

    def _add_commit(self, line: Line) -> None:
        problem = problem_of(line.json)
        if problem:
            self.problems.append(Finding(Rule.UNREADABLE, f"commit record {line.where}: {problem}"))
            return
        stage = line.topic.removeprefix(self._prefix)
        self.chains[stage, line.partition].append(Commit(line, stage, line.json or {}))

    def _add_output(self, line: Line) -> None:
        commit, _, n = line.header("rg_commit").rpartition("/")
        digits = n.removeprefix("s") if line.topic.endswith(".otlp_spans") else n
        if len(commit.split("/")) != 3 or not digits.isdigit():
            self.problems.append(Finding(Rule.UNREADABLE, f"{line.where}: rg_commit {line.header('rg_commit')!r}"))
        elif n in self.outputs[commit]:
            found = self.outputs[commit][n]
            self.problems.append(Finding(Rule.DOUBLED, f"output {commit}/{n}: {found.where} and {line.where}"))
        else:
            self.outputs[commit][n] = line
