"""A new shard begins with a model that somebody vouched for; its journal says which, and nothing unsigned is unpickled."""

from __future__ import annotations

import hashlib
import logging
import pickle
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.kernel.adopting_world import NOTE, WENT_OFF, AdoptingWorld, Bomb, Guess, Mean
from tests.unit.kernel.history_world import EVENTS, LATE, HistoryWorld, Latecomer, learnt, truth
from tests.unit.kernel.test_past import NEVER
from tests.unit.kernel.transactor_world import NEW_CODE, run

from rivergate.agents.fold import AgentFold
from rivergate.agents.shard_state import dumped
from rivergate.domain.errors import BadInput, CommitUnknown, TransactionAborted
from rivergate.domain.journal import Adopted, CommitRecord
from rivergate.domain.signing import SigningKey
from rivergate.gate.fold import GateFold
from rivergate.kernel.keeping import Keeping
from rivergate.kernel.models import ModelStore, adopt
from rivergate.kernel.past import Past
from rivergate.kernel.reach import reach
from rivergate.kernel.replay import replay_commits
from rivergate.kernel.snapshots import Snapshot, SnapshotStore
from rivergate.kernel.transactor import Transactor
from rivergate.kernel.written import Written
from rivergate.testing.memory_log import Fate
from rivergate.testing.memory_shard_log import MemoryShardLog


@pytest.fixture
def world() -> AdoptingWorld:
    """An input with three numbers, which nobody has read."""
    found = AdoptingWorld()
    for n in (8, 10, 12):
        found.put(n)
    return found


def test_the_first_prediction_is_the_models(world: AdoptingWorld) -> None:
    """And what is learnt afterwards is learnt on top of it."""
    run(world.owner(world.vouch(Mean([4, 8]))))
    assert world.guessed() == [6, 7, 8]


def test_the_first_commit_names_it_and_reads_nothing(world: AdoptingWorld) -> None:
    """With who vouches for it, and why; the other commits don't."""
    digest = world.vouch(Mean([4, 8]))
    run(world.owner(digest))
    first, *others = world.journal()
    assert first.adopted == Adopted(digest, "ada", "trained on last year")
    assert (first.seq, first.ranges, first.outputs, first.began) == (0, (), {}, None)
    assert len(others) == 3
    assert all(r.adopted is None for r in others)


@pytest.mark.parametrize("drained", [False, True])
@pytest.mark.parametrize("snapshots", [False, True])
@pytest.mark.parametrize("flag", [None, "another"])
def test_a_successor_knows_it_from_the_journal(
    world: AdoptingWorld, *, drained: bool, snapshots: bool, flag: str | None
) -> None:
    """From a snapshot or from nothing; what it is told itself is too late."""
    digest, other = world.vouch(Mean([4, 8])), world.vouch(Mean([1000]))
    owner = world.owner(digest)
    owner.open()
    owner.step()
    if drained:
        owner.drain()
    if not snapshots:
        world.forget_snapshots()
    second = run(world.owner(other if flag else None))
    assert world.guessed() == [6, 7, 8]
    assert second.standing.adopted == Adopted(digest, "ada", "trained on last year")
    assert [r.adopted is not None for r in world.journal()] == [True] + [False] * (len(world.journal()) - 1)


def test_a_shard_with_a_journal_says_that_the_option_is_void(
    world: AdoptingWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever started it may have thought otherwise."""
    caplog.set_level(logging.INFO)
    run(world.owner())
    run(world.owner(world.vouch(Mean([4, 8]))))
    assert "goes on from commit 2, and --from and --model say nothing to it" in caplog.text
    assert world.guessed() == [0, 8, 9]


def test_a_replay_from_nothing_is_identical(world: AdoptingWorld) -> None:
    """All commits, each output, and the state, whatever snapshots there are."""
    owner = run(world.owner(world.vouch(Mean([4, 8]))))
    owner.drain()
    found = world.replay(Guess)
    assert (found.difference, found.commits, found.compared_state) == ("", len(world.journal()), True)
    assert found.state_digest == owner.fold.digest()
    world.forget_snapshots()
    spec = world.spec()
    past = Past(spec, world.broker.reader(), lambda: AgentFold(world.app, Guess), world.store(spec))
    part = replay_commits(past, Written(spec, world.broker.reader()), range(len(world.journal())))
    assert (part.difference, part.start, part.outputs, part.gone) == (None, None, 3, 0)
    assert past.standing.adopted is not None


def test_each_shard_has_a_copy_of_its_own(world: AdoptingWorld) -> None:
    """What one learns the other doesn't know."""
    model = world.store(world.spec()).models.get(world.vouch(Mean([4, 8])))
    one, other = AgentFold(world.app, Guess), AgentFold(world.app, Guess)
    for fold in (one, other):
        adopt(world.spec(), fold, model)
    assert isinstance(one.state.agent, Guess)
    before = other.digest()
    assert one.digest() == before
    one.state.agent.model.learn(5)
    assert (other.digest(), one.digest() == before) == (before, False)


@pytest.mark.parametrize("fate", list(Fate))
def test_a_first_commit_that_fails_is_tried_again(world: AdoptingWorld, fate: Fate) -> None:
    """Whether it was written or not, the model is adopted once."""
    digest = world.vouch(Mean([4, 8]))
    world.broker.fates.append(fate)
    with pytest.raises((TransactionAborted, CommitUnknown)):
        world.owner(digest).open()
    run(world.owner(digest))
    assert len([r for r in world.journal() if r.adopted is not None]) == 1
    assert world.guessed() == [6, 7, 8]


def test_a_failing_record_is_undone_down_to_the_model(world: AdoptingWorld) -> None:
    """The state is rebuilt from nothing but journal and model."""
    world.put(9, "raise")
    world.put(11)
    owner = world.owner(world.vouch(Mean([4, 8])), NEVER)
    owner.open()
    world.forget_snapshots()
    while owner.step():
        pass
    assert world.guessed() == [6, 7, 8, 8]
    assert world.dead() == ["ValueError: told to fail"]
    owner.drain()
    assert world.replay(Guess).difference == ""


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (Latecomer(), r"can take over tests\S*\.Mean or a Guess, and was given tests\S*\.Latecomer"),
        ([1, 2], r"was given builtins\.list"),
    ],
)
def test_what_an_agent_refuses_parks_the_shard_and_loses_nothing(world: AdoptingWorld, model: Any, what: str) -> None:
    """`BadInput` parks; nothing was committed, so that another start may give another model, or none."""
    with pytest.raises(BadInput, match=what) as refused:
        world.owner(world.vouch(model)).open()
    assert "write `def adopt(self, model)` in Guess" in refused.value.remedy
    assert refused.value.where.startswith(f"{world.stage}/0, model ")
    assert world.journal() == []
    run(world.owner(world.vouch(Mean([4, 8]))))
    assert world.guessed() == [6, 7, 8]


def test_a_fold_that_adopts_nothing_refuses() -> None:
    """The gate has no model."""
    world = AdoptingWorld()
    model = world.store(world.spec()).models.get(world.vouch(Mean()))
    with pytest.raises(BadInput, match="only agents"):
        adopt(world.spec(), GateFold(world.app, b"\0" * 32), model)


def test_other_versions_than_at_the_import_are_refused(world: AdoptingWorld) -> None:
    """At the first open alone: what is in the journal is a person's to accept, as any other code."""
    digest = world.vouch(Mean(), replace(NOTE, versions={"river": "0.1.0", "numpy": "2"}))
    owner = world.owner(digest)
    owner._tools = replace(owner._tools, versions={"river": "0.26.1", "numpy": "2"})
    with pytest.raises(BadInput, match=r"river was 0\.1\.0, here is 0\.26\.1\n") as refused:
        owner.open()
    assert "import the model again" in refused.value.remedy
    assert world.journal() == []


# --- nothing unsigned is unpickled ---------------------------------------------------------------------------


def altered(content: bytes, at: int) -> bytes:
    """With one bit flipped."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("at", [0, 12, 200, -1, -65, -70])
@pytest.mark.parametrize("renamed", [False, True])
def test_a_model_with_a_flipped_bit_is_never_unpickled(world: AdoptingWorld, at: int, *, renamed: bool) -> None:
    """Neither under its name, nor under the name that its bytes have now; a shard that needs it stays where it is."""
    digest = world.vouch(Bomb())
    [name] = world.blobs.names("plant/models/")
    content = altered(world.blobs.kept[name], at)
    if renamed:
        digest = hashlib.sha256(content).hexdigest()
        name = f"plant/models/{digest}"
    world.blobs.kept[name] = content
    with pytest.raises(BadInput, match="isn't signed" if renamed else "don't hash") as refused:
        world.owner(digest).open()
    assert (refused.value.where, bool(refused.value.remedy)) == (name, True)
    assert WENT_OFF == []
    assert world.journal() == []


def test_a_model_is_unpickled_once_it_holds(world: AdoptingWorld) -> None:
    """So the tests around this one would see a bomb go off."""
    with pytest.raises(BadInput, match="NoneType"):
        world.owner(world.vouch(Bomb())).open()
    assert WENT_OFF == ["boom"]
    WENT_OFF.clear()


def test_what_another_key_signed_or_another_app_imported_is_refused(world: AdoptingWorld) -> None:
    """Each app has its own key, and its own people who vouch; a snapshot isn't a model either."""
    foreign = ModelStore(world.blobs, world.app, SigningKey.generate()).put(NOTE, dumped(Bomb()))
    key = world.store(world.spec())._key
    elsewhere = ModelStore(world.blobs, "shop", key).put(NOTE, dumped(Bomb()))
    world.blobs.kept[f"plant/models/{elsewhere}"] = world.blobs.kept[f"shop/models/{elsewhere}"]
    ref = world.store(world.spec()).put(Snapshot(run(world.owner()).standing, "", {}, dumped(Bomb())))
    [snapshot] = [v for name, v in world.blobs.kept.items() if name.endswith(ref.digest)]
    world.blobs.kept[f"plant/models/{ref.digest}"] = snapshot
    store = world.store(world.spec()).models
    for digest, what in ((foreign, "isn't signed"), (elsewhere, "another app"), (ref.digest, "isn't signed")):
        with pytest.raises(BadInput, match=what):
            store.get(digest)
    assert WENT_OFF == []


def test_a_successor_that_finds_the_model_gone_says_what_to_do(world: AdoptingWorld) -> None:
    """Where no snapshot has it; once it is back, the shard goes on."""
    digest = world.vouch(Mean([4, 8]))
    owner = world.owner(digest, NEVER)
    owner.open()
    owner.step()
    world.forget_snapshots()
    kept = world.blobs.kept.pop(f"plant/models/{digest}")
    with pytest.raises(BadInput, match="isn't in the store") as refused:
        world.owner().open()
    assert "backup" in refused.value.remedy
    world.blobs.kept[f"plant/models/{digest}"] = kept
    run(world.owner())
    assert world.guessed() == [6, 7, 8]


def test_models_outlive_the_snapshots_that_are_thinned(world: AdoptingWorld) -> None:
    """A journal names them for ever."""
    digest = world.vouch(Mean([4, 8]))
    spec = world.spec()
    store = SnapshotStore(
        world.blobs, spec, SigningKey(hashlib.sha256(b"snapshots").digest()), keeping=Keeping(1, 0, 0)
    )
    owner = world.owner(digest)
    owner._tools = replace(owner._tools, snapshots=store)
    run(owner)
    for seq in range(4, 9):
        store.put(Snapshot(replace(owner.standing, seq=seq, snapshot=None), "", {}, b""))
    assert len(store.stored()) == 1
    assert store.models.get(digest).adopted == owner.standing.adopted


# --- with history --------------------------------------------------------------------------------------------


class Seasoned(Latecomer):
    """Takes over what a colleague has learnt, and not what it saw."""

    name = Latecomer.name

    def adopt(self, model: Any) -> None:
        self.learnt = [*model.learnt, (-1, True)]


def test_with_a_model_and_history_it_learns_history_on_top_of_the_model() -> None:
    """One first commit says both."""
    world = HistoryWorld()
    world.live(EVENTS)
    trained = Latecomer()
    trained.learnt = [(-2, False)]
    digest = world.store(world.spec()).models.put(NOTE, dumped(trained))
    made = world.newcomer("beginning")
    spec = replace(made.spec, model=digest)
    log = MemoryShardLog(world.broker, spec)
    owner = run(Transactor(spec, log, lambda: AgentFold(world.app, Seasoned), made._tools, made._limits))
    fold = owner.fold
    assert isinstance(fold, AgentFold)
    assert isinstance(fold.state.agent, Seasoned)
    assert learnt(owner) == [(-2, False), (-1, True), *truth(0, EVENTS - LATE)]
    assert world.written() == []
    first = world.journal()[0]
    assert (first.began is not None, first.adopted is not None) == (True, True)
    assert world.again(Seasoned).difference == ""


def test_other_code_that_refuses_the_model_stays_where_it_is(world: AdoptingWorld) -> None:
    """Accepted code that has to fold everything again adopts again; what it can't take over parks it."""

    class Picky(Guess):
        name = Guess.name

        def adopt(self, model: Any) -> None:
            raise LookupError("no more")

    run(world.owner(world.vouch(Mean([4, 8])), NEVER))
    world.forget_snapshots()
    picky = world.transactor(Picky, code=NEW_CODE, accept={"who": "me", "why": "test"})
    with pytest.raises(BadInput, match=r"`adopt` of agent \S*Picky failed on tests\S*\.Mean: LookupError: no more"):
        picky.open()


# --- what it looks like --------------------------------------------------------------------------------------


def test_the_record_comes_back_and_others_have_no_such_field(world: AdoptingWorld) -> None:
    """What was written before there were models is read as ever."""
    run(world.owner(world.vouch(Mean([4, 8]))))
    first, second, *_ = world.journal()
    assert CommitRecord.from_json(first.to_json()) == first
    assert b"adopted" not in second.to_json()


def test_a_digest_may_be_shortened_while_it_is_clear(world: AdoptingWorld) -> None:
    """To four digits at least."""
    store = world.store(world.spec()).models
    first, second = world.vouch(Mean()), world.vouch(Mean([1]))
    assert first[:8] != second[:8]
    assert store.find(first[:8]) == first
    assert store.digests() == sorted([first, second])
    world.blobs.kept[f"plant/models/{first[:8]}{'0' * 56}"] = b""
    for prefix, what in ((first[:8], "2 models"), ("", "no model's digest"), ("xyzw", "no model's digest")):
        with pytest.raises(BadInput, match=what):
            store.find(prefix)
    with pytest.raises(BadInput, match="has no model") as refused:
        store.find("0123456789abcdef")
    assert "rivergate models list --app plant" in refused.value.remedy


def test_bytes_are_kept_as_they_came(world: AdoptingWorld) -> None:
    """What was vouched for can be compared with the file."""
    content = pickle.dumps(Mean([1]), protocol=2)
    store = world.store(world.spec()).models
    found = store.get(store.put(NOTE, content))
    assert (found.content, found.note) == (content, NOTE)


def test_how_far_back_it_can_be_replayed_depends_on_the_model(world: AdoptingWorld) -> None:
    """From the beginning where the model is there; else from the first snapshot, or from nowhere, and that is said."""
    digest = world.vouch(Mean([4, 8]))
    run(world.owner(digest)).drain()
    spec, archive = world.spec(), world.broker.reader()
    found = reach(spec, archive, world.store(spec))
    assert (found.first, found.start) == (0, None)
    del world.blobs.kept[f"plant/models/{digest}"]
    found = reach(spec, archive, world.store(spec))
    assert (found.first, found.start is not None) == (1, True)
    world.forget_snapshots()
    found = reach(spec, archive, world.store(spec))
    assert found.first is None
    assert found.why == f"it began with a model: plant/models/{digest}: this model isn't in the store"
