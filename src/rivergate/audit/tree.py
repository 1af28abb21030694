"""A trace as a tree, and the time scale that its bars are drawn on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rivergate.audit.stored import StoredSpan

QUIET_SHARE = 8
"""A pause this many times longer than all the rest together is drawn as a break."""

SHORTEST_BREAK_NS = 50_000_000


@dataclass(slots=True)
class Node:
    """A span with what it caused, by start time."""

    span: StoredSpan
    children: list[Node] = field(default_factory=list)
    depth: int = 0
    last: tuple[bool, ...] = ()
    """For each level from the root down: whether the node there is the last of its siblings."""

    def walk(self) -> Iterator[Node]:
        """The node and all below it, parents first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


def tree_of(spans: Sequence[StoredSpan]) -> list[Node]:
    """Roots by start time. A span whose parent isn't here (the producer's own, or a loop) is a root."""
    ordered = sorted(spans, key=lambda s: (s.start_ns, s.end_ns))
    nodes: dict[str, Node] = {}
    for s in ordered:
        nodes.setdefault(s.span_id, Node(s))
    roots: list[Node] = []
    for s in ordered:
        node = nodes[s.span_id]
        if node.span is not s:  # a repeat of the same span id
            node = Node(s)
        parent = nodes.get(s.parent_id)
        if parent is None or parent is node or _is_below(parent, node, nodes):
            roots.append(node)
        else:
            parent.children.append(node)
    _number(roots)
    return roots


def _is_below(node: Node, ancestor: Node, nodes: dict[str, Node]) -> bool:
    """Whether `node` descends from `ancestor`: then `ancestor` can't hang below it."""
    seen: set[str] = set()
    at: Node | None = node
    while at is not None and at.span.span_id not in seen:
        if at is ancestor:
            return True
        seen.add(at.span.span_id)
        at = nodes.get(at.span.parent_id)
    return False


def _number(roots: list[Node]) -> None:
    waiting: list[tuple[Node, int, tuple[bool, ...]]] = [
        (root, 0, (place == len(roots) - 1,)) for place, root in enumerate(roots)
    ]
    while waiting:
        node, depth, last = waiting.pop()
        node.depth, node.last = depth, last
        for place, child in enumerate(node.children):
            waiting.append((child, depth + 1, (*last, place == len(node.children) - 1)))


class TimeScale:
    """Maps nanoseconds to columns. Long pauses, in which nothing began or ended, shrink to `BREAK` columns.

    So a review that waited an hour leaves the milliseconds around it readable.
    """

    BREAK = 3

    def __init__(self, spans: Sequence[StoredSpan], width: int) -> None:
        edges = sorted({at for s in spans for at in (s.start_ns, max(s.start_ns, s.end_ns))})
        self.start, self.end = edges[0], edges[-1]
        pieces = list(pairwise(edges))
        quiet = _quiet(pieces, max(2, width // (4 * self.BREAK)))
        busy = sum(b - a for a, b in pieces if (a, b) not in quiet) or 1
        room = max(1, width - self.BREAK * len(quiet))
        self.width = width
        self.breaks: list[tuple[int, int, int]] = []
        """(first column, start, end) of each break."""
        self._edges = edges
        self._columns = [0.0]
        for a, b in pieces:
            at = self._columns[-1]
            if (a, b) in quiet:
                self.breaks.append((round(at), a, b))
            self._columns.append(at + (self.BREAK if (a, b) in quiet else room * (b - a) / busy))

    def column(self, at_ns: int) -> float:
        """Column of a moment, from 0 to the width."""
        if at_ns <= self.start:
            return 0.0
        if at_ns >= self.end:
            return self._columns[-1]
        i = bisect_right(self._edges, at_ns) - 1
        a, b = self._edges[i], self._edges[i + 1]
        return self._columns[i] + (self._columns[i + 1] - self._columns[i]) * (at_ns - a) / (b - a)

    def bar(self, span: StoredSpan) -> tuple[int, int]:
        """(first column, columns) of a span's bar, at least one."""
        first = min(int(self.column(span.start_ns)), self.width - 1)
        end = round(self.column(max(span.start_ns, span.end_ns)))
        return first, max(1, min(end, self.width) - first)


def _quiet(pieces: Sequence[tuple[int, int]], limit: int) -> set[tuple[int, int]]:
    """The longest pauses, as many as can be chosen such that each dwarfs the sum of all that aren't."""
    ordered = sorted(pieces, key=lambda p: p[0] - p[1])
    rest = sum(b - a for a, b in ordered)
    chosen = 0
    for n, (a, b) in enumerate(ordered[:limit], 1):
        rest -= b - a
        if b - a >= SHORTEST_BREAK_NS and rest > 0 and b - a > QUIET_SHARE * rest:
            chosen = n
    return set(ordered[:chosen])
