"""The root command: what there is, and how errors are told."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rivergate.cli.broker import broker
from rivergate.cli.changing import restart, scale
from rivergate.cli.demo import demo
from rivergate.cli.dlq import dlq
from rivergate.cli.doctor import doctor
from rivergate.cli.explain import explain
from rivergate.cli.models import models
from rivergate.cli.produce import produce
from rivergate.cli.rekey import rekey
from rivergate.cli.replay import replay
from rivergate.cli.review import review
from rivergate.cli.run import run as run_app
from rivergate.cli.run import up
from rivergate.cli.screen import screen
from rivergate.cli.shards import shards
from rivergate.cli.state import state
from rivergate.cli.topics import topics
from rivergate.cli.trace import trace
from rivergate.domain.errors import RivergateError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Autonomous agents on Kafka streams: they learn online, propose actions, and a gate that people wrote decides.",
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log on standard error.")] = False,
    log_file: Annotated[Path | None, typer.Option(help="Write this command's own log there.")] = None,
) -> None:
    """Options that go before the command's name."""
    handler: logging.Handler = logging.NullHandler()
    if log_file is not None:
        handler = logging.FileHandler(log_file)
    elif debug:
        handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(
        handlers=[handler], level=logging.DEBUG if debug else logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )


for command in (run_app, up, scale, restart, rekey, broker, produce, explain, replay, state, doctor):
    app.command()(command)
groups = {
    "demo": demo,
    "topics": topics,
    "review": review,
    "trace": trace,
    "shards": shards,
    "models": models,
    "dlq": dlq,
}
for name, group in groups.items():
    app.add_typer(group, name=name)


def run() -> None:
    """Run the command line; a `RivergateError` becomes what it says and exit code 1, with `--debug` a traceback."""
    try:
        app()
    except RivergateError as e:
        if "--debug" in sys.argv:
            raise
        tell(e)
        sys.exit(1)


def tell(error: RivergateError) -> None:
    """What happened, where, and what to do about it, on standard error."""
    console = screen(stderr=True, soft_wrap=True)
    where = f"{error.where}: " if error.where else ""
    console.print(Text.assemble(("error", "bold red"), f" {where}{error.what}"))
    if error.remedy:
        console.print(Text.assemble(("→", "bold"), f" {error.remedy}"))
