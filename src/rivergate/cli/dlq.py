"""`rivergate dlq list|show|redrive`: records that couldn't be handled, and putting them back once the cause is mended."""

from __future__ import annotations

import getpass
import heapq
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from rivergate.adapters.kafka_reader import KafkaReader
from rivergate.adapters.kafka_redrive import KafkaRedriver
from rivergate.cli.app_place import BootstrapOption, DataDirOption, broker_of
from rivergate.cli.dlq_screen import as_dict, print_letter, print_letters
from rivergate.domain.clock import Micros, parse_rfc3339
from rivergate.domain.dead_letter import DeadLetter, Redriven
from rivergate.domain.errors import BadInput
from rivergate.kernel.dead_letters import DeadLetters, Sought
from rivergate.runtime.declaration import Declaration
from rivergate.runtime.paths import DataDir, default_data_dir
from rivergate.topics.quantities import parse_duration_ms

dlq = typer.Typer(no_args_is_help=True, help="Dead letters: records that couldn't be handled, and putting them back.")

AppName = Annotated[str, typer.Option("--app", help="The app's name.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Those of this topic alone, by its full name.")]
StageOption = Annotated[str | None, typer.Option("--stage", help="Those of this stage alone, as in agent-watcher.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Those since then: 30m, 2h, 7d ago, or RFC 3339.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it, like 2/17.")]

_NO_STAGE = (
    "start the app with an agent of that name; or take the value from `rivergate dlq show ID --value` and write it anew "
    "with `rivergate produce`, for every agent that reads the topic"
)

_AT_ONCE = 50
"""Dead letters that one transaction puts back."""


@dlq.command("list")
def list_letters(
    app: AppName,
    topic: TopicOption = None,
    stage: StageOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    data_dir: DataDirOption = None,
    bootstrap: BootstrapOption = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first: where each came from, which stage gave it up, and why."""
    with _letters(broker_of(app, data_dir, bootstrap), app) as letters:
        count = 0

        def counted() -> Iterator[DeadLetter]:
            nonlocal count
            for letter in letters.find(_sought(topic, stage, since)):
                count += 1
                yield letter

        newest = heapq.nlargest(limit, counted(), key=lambda x: (x.at, x.record.offset))
        redriven = letters.redriven()
    if as_json:
        typer.echo(json.dumps([as_dict(x, redriven.get(x.id)) for x in newest]))
    else:
        print_letters(newest, redriven, count)


@dlq.command()
def show(
    letter_id: Id,
    app: AppName,
    data_dir: DataDirOption = None,
    bootstrap: BootstrapOption = None,
    value: Annotated[bool, typer.Option("--value", help="Write the value's bytes to stdout, nothing else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show everything about a dead letter: the error, the record's headers and value, whether it was redriven."""
    with _letters(broker_of(app, data_dir, bootstrap), app) as letters:
        [letter] = letters.get([letter_id])
        redriven = letters.redriven().get(letter.id)
    if value:
        sys.stdout.buffer.write(letter.record.value or b"")
    elif as_json:
        typer.echo(json.dumps(as_dict(letter, redriven, whole=True)))
    else:
        print_letter(letter, redriven)


@dlq.command()
def redrive(
    app: AppName,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As `list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that weren't redriven yet.")] = False,
    topic: TopicOption = None,
    stage: StageOption = None,
    since: SinceOption = None,
    muted: Annotated[bool, typer.Option("--muted", help="With --all: what muted agents set aside, too.")] = False,
    again: Annotated[bool, typer.Option("--again", help="These too that were redriven already.")] = False,
    value: Annotated[
        Path | None,
        typer.Option("--value", metavar="FILE", allow_dash=True, help="Put this in place of the value; - reads stdin."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    data_dir: DataDirOption = None,
    bootstrap: BootstrapOption = None,
) -> None:
    """Put dead letters back where they came from, under the same event id, for the stage that gave them up."""
    _demand_sense(ids or [], every=every, chosen=bool(topic or stage or since), muted=muted, again=again, value=value)
    broker = broker_of(app, data_dir, bootstrap)
    content = None if value is None else _content(value)
    put = 0
    with _letters(broker, app) as letters, KafkaRedriver(broker, app) as redriver:
        done = letters.redriven()  # whoever adds to these from here on fences us
        if ids:
            found = _named(letters.get(ids), {} if again else done, corrected=content is not None)
            _say_what_is_acted_on(found)
        else:
            found = _waiting(letters.find(_sought(topic, stage, since)), done)
            found = found if muted else _unmuted(found)
        chosen = _handled(found, app, data_dir, all_of_them=bool(ids))
        if not chosen:
            typer.echo("nothing is left to be redriven")
            return
        if not yes:
            _demand_consent(chosen)
        try:
            while put < len(chosen):
                some = chosen[put : put + _AT_ONCE]
                redriver.put_back(list(letters.get(x.id for x in some)), getpass.getuser(), _now(), content)
                put += len(some)
        finally:
            if put:
                typer.echo(f"put back: {_of_topics(chosen[:put])}")


class _Chosen(NamedTuple):
    """A dead letter that is to be put back, where, and for whom; its content is read when its turn comes."""

    id: str
    topic: str
    stage: str
    muted: bool

    @classmethod
    def of(cls, letter: DeadLetter) -> _Chosen:
        """Without its content."""
        return cls(letter.id, letter.origin.topic, letter.stage, letter.is_muted)


def _demand_sense(
    ids: Sequence[str], *, every: bool, chosen: bool, muted: bool, again: bool, value: Path | None
) -> None:
    """Raises `BadInput` for options that don't go together."""
    if bool(ids) == every:
        raise BadInput("which dead letters?", remedy="name their ids, or all that are left with --all")
    if ids and chosen:
        raise BadInput("ids name single dead letters already", remedy="use --topic, --stage and --since with --all")
    if muted and ids:
        raise BadInput("--muted goes with --all", remedy="leave it out: what is named is put back in any case")
    if again and every:
        raise BadInput("--again goes with ids", remedy="name those that are to be processed once more")
    if value is not None and len(ids) != 1:
        raise BadInput("--value is the value of one dead letter", remedy="name its id")


def _named(letters: Iterable[DeadLetter], redriven: Mapping[str, Redriven], *, corrected: bool) -> list[_Chosen]:
    """All of these. Raises `BadInput` if one of them can't be redriven, or was already: then none is."""
    found = {}
    for letter in letters:
        done = redriven.get(letter.id)
        if why := letter.why_not():
            raise BadInput(
                f"dead letter {letter.id}: {why}", remedy="redrive the event or decision that it follows from"
            )
        if done is not None:
            raise BadInput(
                f"dead letter {letter.id} was redriven already at {done.at}, by {done.by}",
                remedy="redrive its new letter if it failed again; to have it handled once more in any case, add --again",
            )
        if corrected and not letter.is_event:
            raise BadInput(
                f"dead letter {letter.id} isn't an event: whoever wrote it vouches for its value",
                remedy="decide or propose again",
            )
        found[letter.id] = _Chosen.of(letter)
    return list(found.values())


def _waiting(letters: Iterable[DeadLetter], redriven: Mapping[str, Redriven]) -> list[_Chosen]:
    """Those that can be redriven and weren't, oldest first."""
    found = [
        ((x.at, x.record.partition, x.record.offset), _Chosen.of(x))
        for x in letters
        if x.id not in redriven and not x.why_not()
    ]
    return [chosen for _, chosen in sorted(found)]


def _unmuted(found: Sequence[_Chosen]) -> list[_Chosen]:
    """Without what nobody was to act on. Says how much that is."""
    left_out = sum(x.muted for x in found)
    if left_out:
        typer.echo(
            f"{left_out:,} left out: set aside while the agent was muted, so nothing was to be done about it\n"
            "→ add --muted, and it is acted on",
            err=True,
        )
    return [x for x in found if not x.muted]


def _say_what_is_acted_on(named: Sequence[_Chosen]) -> None:
    for x in named:
        if x.muted:
            typer.echo(f"{x.id} was set aside while the agent was muted: now it is acted on", err=True)


def _handled(found: Sequence[_Chosen], app: str, data_dir: Path | None, *, all_of_them: bool) -> list[_Chosen]:
    """Those whose stage the app still has, as it was started last on the data directory: every other stage would pass them
    over. Where nothing is noted there, all of them. Says what is left out; raises `BadInput` instead if none may be.
    """
    data = DataDir(data_dir or default_data_dir(app))
    if not data.declaration_file.exists():
        return list(found)
    stages = Declaration.read(data.declaration_file).stages
    gone = Counter(x.stage for x in found if x.stage not in stages)
    if gone:
        what = (
            f"app {app} has no {', '.join(sorted(gone))} any more, and no other stage handles what is put back for it"
        )
        if all_of_them:
            raise BadInput(what, remedy=_NO_STAGE)
        typer.echo(f"{sum(gone.values()):,} left out: {what}\n→ {_NO_STAGE}", err=True)
    return [x for x in found if x.stage in stages]


def _demand_consent(chosen: Sequence[_Chosen]) -> None:
    if not sys.stdin.isatty():
        raise BadInput("nobody can be asked here", remedy="look with `rivergate dlq list`, then add --yes")
    typer.confirm(f"Put back {_of_topics(chosen)}?", abort=True)


def _of_topics(chosen: Sequence[_Chosen]) -> str:
    return ", ".join(f"{count:,} on {topic}" for topic, count in sorted(Counter(x.topic for x in chosen).items()))


def _content(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as e:
        raise BadInput(f"can't be read: {e.strerror}", where=str(path)) from e


def _sought(topic: str | None, stage: str | None, since: str | None) -> Sought:
    """Raises `BadInput` for a time that can't be read."""
    if since is None:
        return Sought(stage, topic)
    try:
        return Sought(
            stage, topic, _now() - parse_duration_ms(since) * 1000 if since[-1:] in "mhd" else parse_rfc3339(since)
        )
    except ValueError as e:
        raise BadInput(f"--since {since!r} is no time", remedy="write 30m, 2h, 7d, or 2026-01-31T12:00:00Z") from e


@contextmanager
def _letters(bootstrap: str, app: str) -> Iterator[DeadLetters]:
    reader = KafkaReader(bootstrap, f"{app}.dlq")
    try:
        yield DeadLetters(reader, app)
    finally:
        reader.close()


def _now() -> Micros:
    return time.time_ns() // 1000
