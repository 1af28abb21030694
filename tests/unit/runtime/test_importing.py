"""Importing: a pickle from outside is tried elsewhere, signed, and found again; what doesn't hold is refused."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from river.naive_bayes import GaussianNB
from typer.testing import CliRunner

from rivergate.adapters.blob_store import FsspecBlobs
from rivergate.agents import Agent, Context
from rivergate.agents.fold import AgentFold
from rivergate.cli.main import app as command_line
from rivergate.cli.run import adoptions
from rivergate.domain.errors import BadInput, ConfigError, RivergateError, SnapshotCorrupt, StoreUnavailable
from rivergate.domain.event import Event
from rivergate.kernel.shard import ShardSpec, Standing
from rivergate.kernel.snapshots import Snapshot, SnapshotStore
from rivergate.runtime import keys
from rivergate.runtime.app import App
from rivergate.runtime.code import versions
from rivergate.runtime.importing import OtherSnapshot, Place, import_file, import_snapshot
from rivergate.runtime.paths import DataDir

ROOT = Path(__file__).parents[3]


class Heat(Event, topic="heat"):
    degrees: float


class Elder(Agent):
    consumes = (Heat,)

    def __init__(self) -> None:
        self.model = GaussianNB()
        self.seen = 0

    def on_event(self, event: Heat, ctx: Context) -> None:
        self.seen += 1
        self.model.learn_one({"degrees": event.degrees}, event.degrees > 50)


class Tattling:
    """Tells by a file where it is unpickled, and what it sees there."""

    def __init__(self, into: Path) -> None:
        self.into = into

    def __reduce__(self) -> tuple[Any, ...]:
        return tattle, (str(self.into),)


def tattle(into: str) -> dict[str, str]:
    """The process and its environment."""
    Path(into).write_text(json.dumps({"pid": os.getpid(), "environment": dict(os.environ)}))
    return {"told": into}


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where app `young` is going to live; it was never started."""
    return Place("young", DataDir(tmp_path / "young"))


def pickled(folder: Path, value: object) -> Path:
    """In a file."""
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(value))
    return path


def test_a_pickle_is_vouched_for_as_it_stands(place: Place, tmp_path: Path) -> None:
    """Bytes, make, versions, where it came from, who and why: found again by the app's public key."""
    file = pickled(tmp_path, GaussianNB())
    found = import_file(place, file, "ada", "trained offline")
    assert place.store().get(place.store().find(found.digest[:8])) == found
    assert found.content == file.read_bytes()
    note = found.note
    assert (note.who, note.why, note.make) == ("ada", "trained offline", "river.naive_bayes.gaussian.GaussianNB")
    assert note.source == {"file": "model.pkl", "sha256": hashlib.sha256(found.content).hexdigest()}
    assert note.versions == versions()


def test_a_store_is_noted_once_it_has_taken_a_model(place: Place, tmp_path: Path) -> None:
    """One that takes nothing was mistyped, and would be the app's for good."""
    file = pickled(tmp_path, GaussianNB())
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        import_file(replace(place, snapshots=str(file / "below")), file, "ada", "test")
    assert place.data.snapshots == str(place.data.root / "snapshots")
    import_file(replace(place, snapshots=str(tmp_path / "store")), file, "ada", "test")
    assert place.data.snapshots == str(tmp_path / "store")
    with pytest.raises(BadInput, match="snapshots are at"):
        import_file(replace(place, snapshots=str(tmp_path / "other")), file, "ada", "test")
    assert not (tmp_path / "other").exists()


def test_it_is_tried_in_a_scrubbed_process(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickles are programs: whoever imports one has more to lose than the process that tries it."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    into = tmp_path / "told.json"
    import_file(place, pickled(tmp_path, Tattling(into)), "ada", "test")
    told = json.loads(into.read_text())
    assert told["pid"] != os.getpid()
    assert "AWS_SECRET_ACCESS_KEY" not in told["environment"]
    assert told["environment"]["PYTHONHASHSEED"] == "0"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"not a pickle", "can't be unpickled here"),
        (b"cnowhere\nModel\n.", "can't be unpickled here: ModuleNotFoundError"),
        (b"cthreading\nLock\n(tR.", "can't be put into a snapshot"),
        (b"cos\nurandom\n(I8\ntR.", "another one each time"),
        (b"cos\n_exit\n(I3\ntR.", "ended with code 3"),
    ],
)
def test_what_doesnt_load_or_last_is_not_imported(place: Place, tmp_path: Path, content: bytes, what: str) -> None:
    """Nothing is kept of it."""
    file = tmp_path / "model.pkl"
    file.write_bytes(content)
    with pytest.raises(RivergateError, match=what):
        import_file(place, file, "ada", "test")
    assert not list(tmp_path.rglob("models/*"))


def snapshot_of(folder: Path, seqs: tuple[int, ...] = (4, 9), **told: str) -> OtherSnapshot:
    """Snapshots of app `old`, the agent of which had seen as many events as there were commits; the way to the newest."""
    data = DataDir(folder / "old").make()
    keys.ensure_keys(data.keys)
    spec = ShardSpec("old", "agent-elder", 1, (), "code", "w")
    store = SnapshotStore(FsspecBlobs(data.snapshots), spec, keys.load_key(data.keys, keys.SNAPSHOTS))
    fold = AgentFold("old", Elder)
    for seq in seqs:
        fold.state.agent.seen = seq  # type: ignore[attr-defined] # it is an Elder
        store.put(Snapshot(Standing(seq + 1), "code", versions() | told, fold.dump()))
    return OtherSnapshot("old/agent-elder/1", data.snapshots, data.keys / "snapshots.pub")


def test_what_an_agent_of_another_app_has_learnt(place: Place, tmp_path: Path) -> None:
    """The newest, or an earlier one; all of it, or one attribute. What it remembered of events stays where it was."""
    other = snapshot_of(tmp_path)
    whole = import_snapshot(place, other, "ada", "it is good")
    agent = pickle.loads(whole.content)
    assert isinstance(agent, Elder)
    assert agent.seen == 9
    assert whole.note.source["snapshot"] == "old/agent-elder/1@9"
    part = import_snapshot(place, replace(other, where="old/agent-elder/1@4", attribute="seen"), "ada", "it is good")
    assert pickle.loads(part.content) == 4
    assert part.note.source["snapshot"] == "old/agent-elder/1@4.seen"
    with pytest.raises(RivergateError, match="no attribute 'modle'") as refused:
        import_snapshot(place, replace(other, attribute="modle"), "ada", "it is good")
    assert refused.value.remedy == "it has model, seen"


def test_an_altered_or_foreign_snapshot_is_never_unpickled(place: Place, tmp_path: Path) -> None:
    """That app's key has to have signed it."""
    other = snapshot_of(tmp_path, (4,))
    [file] = Path(other.url).rglob("000000000004-*")
    mine = place.store_to_sign()
    with pytest.raises(SnapshotCorrupt, match="isn't signed") as refused:
        import_snapshot(place, replace(other, key=place.data.keys / "snapshots.pub"), "ada", "test")
    assert "--key" in refused.value.remedy
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(SnapshotCorrupt, match="don't hash"):
        import_snapshot(place, other, "ada", "test")
    assert mine.digests() == []


@pytest.mark.parametrize(
    ("changes", "what", "remedy"),
    [
        ({"where": "old/1"}, "names no snapshot", "APP/STAGE/SHARD"),
        ({"where": "old/gate/0"}, "names no snapshot", "APP/STAGE/SHARD"),
        ({"where": "old/agent-elder/1@7"}, "there is no snapshot", "after commits 4, 9"),
        ({"where": "old/agent-elder/0"}, "there is no snapshot", "--store"),
        ({"key": Path("nowhere.pub")}, "isn't a public key", "keys/snapshots.pub"),
    ],
)
def test_what_isnt_there_is_said(place: Place, tmp_path: Path, changes: dict[str, Any], what: str, remedy: str) -> None:
    """With what to write instead."""
    with pytest.raises((BadInput, ConfigError), match=what) as refused:
        import_snapshot(place, replace(snapshot_of(tmp_path), **changes), "ada", "test")
    assert remedy in refused.value.remedy


def test_a_snapshot_of_other_versions_is_refused(place: Place, tmp_path: Path) -> None:
    """River says nothing of itself in a pickle; snapshots do."""
    with pytest.raises(BadInput, match=r"was written with river 0\.1\.0, here is \d") as refused:
        import_snapshot(place, snapshot_of(tmp_path, river="0.1.0"), "ada", "test")
    assert "same versions" in refused.value.remedy


# --- the command line ----------------------------------------------------------------------------------------


def typed(*words: str) -> Any:
    """What the command answers."""
    return CliRunner().invoke(command_line, ["models", *words], catch_exceptions=True)


def test_import_list_show(tmp_path: Path) -> None:
    """What was imported is listed, and shown by the first digits of its digest."""
    where = ["--app", "young", "--data-dir", str(tmp_path / "young")]
    file = pickled(tmp_path, GaussianNB())
    done = typed("import", str(file), *where, "--why", "trained [offline]", "--who", "ada", "--json")
    assert done.exit_code == 0, done.output
    digest = json.loads(done.stdout)["digest"]
    [listed] = json.loads(typed("list", *where, "--json").stdout)
    assert (listed["digest"], listed["who"], listed["why"]) == (digest, "ada", "trained [offline]")
    table, shown = typed("list", *where).stdout, typed("show", digest[:6], *where).stdout
    assert digest[:12] in table
    assert "trained [offline]" in table
    assert digest in shown
    assert "river.naive_bayes.gaussian.GaussianNB" in shown
    [stored] = (tmp_path / "young").rglob(f"models/{digest}")
    stored.write_bytes(stored.read_bytes()[:-1])
    broken = typed("list", *where)
    assert "don't hash" in broken.stderr
    assert digest[:12] not in broken.stdout


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--why", "x"], "what is to be imported"),
        (["m.pkl", "--from-snapshot", "a/agent-b/0", "--why", "x"], "what is to be imported"),
        (["m.pkl", "--attribute", "model", "--why", "x"], "go with --from-snapshot"),
        (["m.pkl", "--why", " "], "who and why"),
        (["nowhere.pkl", "--why", "x"], "can't be read: No such file"),
    ],
)
def test_an_import_says_one_thing_and_why(tmp_path: Path, words: list[str], what: str) -> None:
    """Before anything is looked at."""
    done = typed("import", "--app", "young", "--data-dir", str(tmp_path), *words)
    assert isinstance(done.exception, BadInput)
    assert what in done.exception.what
    assert done.exception.remedy


def test_which_model_an_agent_adopts_is_told_by_its_stage(place: Place, tmp_path: Path) -> None:
    """A model that the app's key has signed, by the first digits; else it is refused before anything starts."""
    app = App("young", [Elder], tmp_path / "policy.yaml")
    with pytest.raises(BadInput, match="no keys yet"):
        adoptions(app, place, ["elder=abcd"])
    digest = import_file(place, pickled(tmp_path, GaussianNB()), "ada", "test").digest
    assert adoptions(app, place, [f"elder={digest[:9]}"]) == {"agent-elder": digest}
    assert adoptions(app, place, []) == {}
    for text, what in (
        ("gate=abcd", "no agent 'gate'"),
        ("elder", "no model's digest"),
        ("elder=0000", "no model 0000"),
    ):
        with pytest.raises(BadInput, match=what):
            adoptions(app, place, [text])
    [stored] = (tmp_path / "young").rglob(f"models/{digest}")
    stored.write_bytes(stored.read_bytes() + b"!")
    with pytest.raises(BadInput, match="don't hash"):
        adoptions(app, place, [f"elder={digest[:9]}"])
