"""Python imports this at its start in every process of an app that chaos strikes: its folder is on their PYTHONPATH.

Once `rivergate.runtime.stages` has been imported, crash hooks and planted faults are armed. Nothing of rivergate knows.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

STAGES = "rivergate.runtime.stages"
ROOT = str(Path(__file__).parents[3])


class _AfterStages(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != STAGES:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            if ROOT not in sys.path:
                sys.path.append(ROOT)
            from tests.chaos.inside.arming import arm

            arm(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _AfterStages())
