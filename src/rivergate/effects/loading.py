"""Effectors by name: `MODULE:CALLABLE`, called with the app's data directory, in the effects process alone."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from rivergate.domain.errors import ConfigError
from rivergate.effects.effector import Delivery, Effector


def load_effectors(references: Mapping[str, str], data_dir: Path) -> dict[str, Effector]:
    """Effector of each kind; kinds that name the same callable share one effector. Raises `ConfigError`."""
    made: dict[str, Effector] = {}
    for kind, ref in references.items():
        if ref not in made:
            made[ref] = _make(kind, ref, data_dir)
    return {kind: made[ref] for kind, ref in references.items()}


def _make(kind: str, reference: str, data_dir: Path) -> Effector:
    module, _, name = reference.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as e:
        raise ConfigError(
            f"the effector of {kind!r} can't be loaded from {reference!r}: {e}",
            remedy="write MODULE:CALLABLE; the callable takes the data directory and returns an effector",
        ) from e
    effector: Effector = factory(data_dir)
    if not isinstance(getattr(effector, "delivery", None), Delivery):
        raise ConfigError(
            f"{reference} made a {type(effector).__name__}, which declares no `delivery`",
            remedy="say what it promises: Delivery.IDEMPOTENT, RECONCILABLE or NEITHER",
        )
    return effector
