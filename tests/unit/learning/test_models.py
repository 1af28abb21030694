from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from tests.unit.learning.model_checks import Models, run, trained

ROOT = Path(__file__).parents[3]
CODE = "from tests.unit.learning.model_checks import main; main()"


@cache
def elsewhere(hash_seed: str) -> dict[str, list[object]]:
    """What all models come to in a process of its own, with that seed of Python's string hashes."""
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, env=env, cwd=ROOT, check=True)
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", Models.ALL)
def test_a_run_with_restores_is_the_run(name: str) -> None:
    """Putting the state through a snapshot again and again changes neither outputs nor state."""
    digest, outputs, accuracy = run(Models.ALL[name])
    assert run(Models.ALL[name], restore_every=3) == (digest, outputs, accuracy)
    assert outputs


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
@pytest.mark.parametrize("name", Models.ALL)
def test_a_run_in_another_process_is_the_run(name: str, hash_seed: str) -> None:
    """Another process comes to the same outputs and to the same digest, whatever seeds its hashes."""
    digest, outputs, _ = run(Models.ALL[name])
    assert elsewhere(hash_seed)[name] == [digest, [o.decode() for o in outputs]]


@pytest.mark.parametrize("name", Models.ALL)
def test_an_adopted_model_is_the_same_everywhere(name: str) -> None:
    """A run on top of it equals that with restores, and that in another process, where it was trained anew."""
    agent = Models.ALL[name]
    model = trained(agent)
    digest, outputs, _ = run(agent, 0, model)
    assert run(agent, 3, model)[:2] == (digest, outputs)
    assert elsewhere("4711")[f"adopted {name}"] == [digest, [o.decode() for o in outputs]]
    assert outputs != run(agent)[1]


@pytest.mark.parametrize("name", ["Linear", "Tree", "AdaptiveTree", "Bayes"])
def test_late_labels_teach_the_model(name: str) -> None:
    """With labels forty readings late every classifier is well above chance."""
    assert run(Models.ALL[name])[2] > 0.7
