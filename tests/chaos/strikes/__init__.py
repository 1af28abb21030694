"""Faults by name: each strikes once, and returns when what it needs of the harness is done."""

from __future__ import annotations

from collections.abc import Mapping

from tests.chaos.strikes import broker, crashes, moves, network, nodes, offsets, signals, supervisors, zombies
from tests.chaos.strikes.arena import Fault

FAMILIES: Mapping[str, Mapping[str, Fault]] = {
    "signals": signals.FAULTS,
    "supervisors": supervisors.FAULTS,
    "zombies": zombies.FAULTS,
    "crashes": crashes.FAULTS,
    "network": network.FAULTS,
    "broker": broker.FAULTS,
    "offsets": offsets.FAULTS,
    "nodes": nodes.FAULTS,
    "moves": moves.FAULTS,
}
"""A round draws a family first, then one of its faults, so that a family with many of them doesn't crowd others out."""

RAY_ALONE = ("nodes",)
"""Families that strike what only Ray has."""

ALL: Mapping[str, Fault] = {name: fault for faults in FAMILIES.values() for name, fault in faults.items()}


def chosen(text: str, host: str) -> dict[str, list[str]]:
    """The faults that `--faults` names and the host can have: families or single ones, comma-separated, `all` or `none`.

    Raises `ValueError`.
    """
    if text == "none":
        return {}
    named = text.split(",")
    unknown = [n for n in named if n != "all" and n not in FAMILIES and n not in ALL]
    if unknown:
        raise ValueError(f"no fault is named {', '.join(unknown)}: there are {', '.join([*FAMILIES, *ALL])}")
    found = {
        family: [n for n in faults if n in named or family in named or "all" in named]
        for family, faults in FAMILIES.items()
    }
    return {family: faults for family, faults in found.items() if faults and (host == "ray" or family not in RAY_ALONE)}
