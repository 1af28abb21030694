"""Recordings: replayed where no broker is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.kernel.adopting_world import AdoptingWorld, Guess, Mean
from tests.unit.kernel.test_past import NEVER, lived
from tests.unit.kernel.transactor_world import Put, Summing, run
from tests.unit.runtime.recorded_world import app_of, changed, recorded, recording_of

from rivergate.agents import Context
from rivergate.domain.errors import BadInput, ConfigError
from rivergate.domain.signing import SigningKey
from rivergate.kernel.past import NothingToReplay
from rivergate.runtime.replay.recording import Recording
from rivergate.runtime.replay.replay_recording import replay_recording


def test_a_recording_from_the_beginning_needs_no_key(tmp_path: Path) -> None:
    """There is no snapshot in it, so nothing is unpickled."""
    path, _ = recorded(tmp_path, [2, 3], NEVER)
    [part] = replay_recording(app_of(), Recording.load(path))
    assert (part.difference, part.commits, part.folded, part.outputs) == (None, 2, 4, 2)


def test_what_was_gone_when_it_was_recorded_is_no_difference(tmp_path: Path) -> None:
    """A recording has what was there then, and nobody can miss more in it."""
    world = lived(8, NEVER)
    world.broker.trim(("plant-out", 0), 8)
    path, _ = recording_of(world, Summing, tmp_path, [2, 3, 4, 5])
    [part] = replay_recording(app_of(), Recording.load(path))
    assert (part.difference, part.commits, part.outputs, part.gone) == (None, 4, 2, 2)


def test_a_recording_with_a_snapshot_holds_what_comes_after_it(tmp_path: Path) -> None:
    """Nothing before the snapshot is in the file, and it replays to the same."""
    path, key = recorded(tmp_path, [6, 7])
    recording = Recording.load(path)
    assert sorted(recording.records["plant-in", 0]) == [6, 7]
    [part] = replay_recording(app_of(), recording, key)
    assert part.start is not None
    assert (part.difference, part.start.seq, part.outputs) == (None, 5, 2)


def test_a_snapshot_is_read_with_the_apps_key_alone(tmp_path: Path) -> None:
    """Without a key, with another's, or with none at all in the file it is refused."""
    path, key = recorded(tmp_path, [6])
    with pytest.raises(BadInput, match="unpickled") as refused:
        replay_recording(app_of(), Recording.load(path))
    assert "snapshots.pub" in refused.value.remedy
    key.write_text(SigningKey.generate().public.hex())
    with pytest.raises(NothingToReplay):
        replay_recording(app_of(), Recording.load(path), key)
    key.write_text("no key")
    with pytest.raises(ConfigError, match="public key"):
        replay_recording(app_of(), Recording.load(path), key)


def test_a_recording_holds_the_model_that_was_adopted(tmp_path: Path) -> None:
    """It gets unpickled, so it too is read with the app's key alone."""
    world = AdoptingWorld()
    world.put(8)
    run(world.owner(world.vouch(Mean([4, 8]))))
    world.forget_snapshots()
    path, key = recording_of(world, Guess, tmp_path, [0, 1])
    with pytest.raises(BadInput, match="holds snapshots or models"):
        replay_recording(app_of(Guess), Recording.load(path))
    [part] = replay_recording(app_of(Guess), Recording.load(path), key)
    assert (part.difference, part.start, part.folded, part.outputs) == (None, None, 2, 1)
    key.write_text(SigningKey.generate().public.hex())
    with pytest.raises(BadInput, match="isn't signed"):
        replay_recording(app_of(Guess), Recording.load(path), key)


def test_changed_code_is_caught(tmp_path: Path) -> None:
    """The first difference names the field."""
    path, _ = recorded(tmp_path, [0, 1], NEVER)
    [part] = replay_recording(changed(), Recording.load(path))
    assert part.difference is not None
    assert [f.field for f in part.difference.fields] == ["value.sum"]


def test_a_change_in_learning_alone_is_caught_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has the digests of the states that were compared, and none of the states."""
    world = lived(8)
    world.blobs.kept = {n: c for n, c in world.blobs.kept.items() if "/000000000005-" in n}
    path, _ = recording_of(world, Summing, tmp_path, [2, 5])
    recording = Recording.load(path)
    assert (list(recording.states), recording.snapshots) == ([("agent-summing", 0, 5)], {})
    [part] = replay_recording(app_of(), recording)
    assert (part.difference, part.states, part.notes) == (None, 1, [])
    learn = Summing.on_event

    def learn_otherwise(agent: Summing, event: Put, ctx: Context) -> None:
        learn(agent, event, ctx)
        agent.last = event.n  # type: ignore[attr-defined] - what it didn't keep before

    monkeypatch.setattr(Summing, "on_event", learn_otherwise)
    [part] = replay_recording(app_of(), recording)
    assert part.difference is not None
    assert (part.difference.seq, "the state after commit 5" in part.difference.what) == (5, True)
    recording.versions["river"] = "0.1"
    [part] = replay_recording(app_of(), recording)
    assert (part.difference, part.states) == (None, 0)
    assert part.notes == ["its states aren't compared, since it was recorded under river 0.1"]


def test_equal_recordings_are_equal_files(tmp_path: Path) -> None:
    """So that version control shows a change only where there is one."""
    path, _ = recorded(tmp_path, [2], NEVER)
    first = path.read_bytes()
    Recording.load(path).save(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"no gzip", None])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """The message names the file and the command that makes one."""
    path = tmp_path / "x.rec"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match="isn't a recording") as refused:
        Recording.load(path)
    assert refused.value.where == str(path)
    assert "--save" in refused.value.remedy


def test_a_recording_of_another_form_is_refused(tmp_path: Path) -> None:
    """A later version may write other ones."""
    import gzip

    path = tmp_path / "x.rec"
    path.write_bytes(gzip.compress(b'{"rivergate_recording": 2}\n'))
    with pytest.raises(BadInput, match="form 2"):
        Recording.load(path)
