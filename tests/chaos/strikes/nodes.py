"""A node of the Ray cluster lost with all actors on it, and another put in its place."""

from __future__ import annotations

from tests.chaos.strikes.arena import Arena, Fault, now_ms


def kill_ray_node(arena: Arena, fault: str) -> None:
    """The second node's raylet and its workers die at once; Ray restarts its actors on the first."""
    nodes = arena.nodes
    if nodes is None:
        raise ValueError(f"{fault} needs a Ray cluster of two nodes, which this round doesn't have")
    there = [p for p in arena.app.processes if p.alive and p.pid and nodes.on_second(p.pid)]
    at_ms = now_ms()
    nodes.kill_second()
    for process in there:
        arena.hit(fault, process.stage, process.incarnation, at_ms)
    arena.notes.append(f"{fault}: {len(there)} actors were on the node")
    nodes.start_second()


FAULTS: dict[str, Fault] = {"kill-ray-node": kill_ray_node}
