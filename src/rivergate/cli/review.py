"""`rivergate review`: the queue from the command line. Every decision goes through the review service."""

from __future__ import annotations

import json
import sys
import time
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rivergate.cli import review_screens as screens
from rivergate.cli.review_client import ReviewClient, decision_in, find_credentials
from rivergate.cli.screen import screen
from rivergate.domain.clock import Micros
from rivergate.domain.errors import BadInput
from rivergate.review.view import ReviewDetail, ReviewItem

review = typer.Typer(help="The review queue: proposals that wait for people.", no_args_is_help=True)

ANSWER_WAIT_S = 10.0

DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="The app's data directory; needed where several apps run here.")
]
TokenFileOption = Annotated[Path | None, typer.Option("--token-file", help="The review service's token file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Its id, or a unique beginning of it.")]
NoteOption = Annotated[str, typer.Option("--note", "-m", help="Recorded with the decision.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask again.")]
WaitOption = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the gate's answer.")]


@review.command("list")
def list_reviews(
    state: Annotated[str, typer.Option(help="open, settled, unresolved, all, or a result such as expired.")] = "open",
    kind: Annotated[str, typer.Option(help="Of this kind alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    data_dir: DataDirOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List reviews; open ones by deadline, the most urgent first."""
    answer = _client(data_dir, token_file).reviews(state, kind, limit)
    if as_json:
        _print_json(answer)
        return
    items = [ReviewItem.model_validate(i) for i in answer["reviews"]]
    out = screen()
    if items:
        out.print(screens.queue_table(items, state, _now()))
    else:
        out.print("Nothing waits for you." if state == "open" else f"No reviews are {state}.")
    out.print(Text(screens.counts_line(answer["counts"]), style="dim"))
    if not answer["caught_up"]:
        screen(stderr=True).print("The view is still catching up with the log.", style="yellow")


@review.command()
def show(
    review_id: IdArgument,
    data_dir: DataDirOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one review: what is proposed, which rule asked, the agent's reasons, decisions and what came of it."""
    detail = _client(data_dir, token_file).review(review_id)
    if as_json:
        _print_json(detail.model_dump(mode="json"))
    else:
        screen().print(screens.detail_screen(detail, _now()))


@review.command()
def approve(
    review_id: IdArgument,
    note: NoteOption = "",
    yes: YesOption = False,
    wait_s: WaitOption = ANSWER_WAIT_S,
    data_dir: DataDirOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a proposal. The gate counts the decision and judges again before anything happens."""
    _decide(_client(data_dir, token_file), review_id, "approve", note, yes=yes, wait_s=wait_s, as_json=as_json)


@review.command()
def deny(
    review_id: IdArgument,
    note: NoteOption = "",
    yes: YesOption = False,
    wait_s: WaitOption = ANSWER_WAIT_S,
    data_dir: DataDirOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny a proposal."""
    _decide(_client(data_dir, token_file), review_id, "deny", note, yes=yes, wait_s=wait_s, as_json=as_json)


@review.command()
def resolve(
    review_id: IdArgument,
    status: Annotated[str, typer.Argument(metavar="done|failed", help="What you found where the action acts.")],
    note: NoteOption = "",
    wait_s: WaitOption = ANSWER_WAIT_S,
    data_dir: DataDirOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what came of an action whose outcome is unknown."""
    client = _client(data_dir, token_file)
    detail = client.review(review_id)
    client.resolve(detail, status, note)
    after = client.wait_for(detail.proposal_id, lambda d: not d.unresolved, wait_s)
    if as_json:
        _print_json({"proposal_id": after.proposal_id, "status": status, "outcome": after.outcome})
    elif after.unresolved:
        screen(stderr=True).print(f"Sent; the gate hasn't answered within {wait_s:g} s.", style="yellow")
    else:
        screen().print(f"The outcome is {after.outcome} now.")


@review.command("open")
def open_page(
    data_dir: DataDirOption = None,
    token_file: TokenFileOption = None,
    browser: Annotated[bool, typer.Option(help="Open it in a browser too.")] = False,
) -> None:
    """Print the link that signs a browser in to the review page. Whoever has it can decide in your name."""
    url = find_credentials(data_dir, token_file).login_url
    sys.stdout.write(url + "\n")
    if browser:
        webbrowser.open(url)


def _decide(
    client: ReviewClient, review_id: str, verdict: str, note: str, *, yes: bool, wait_s: float, as_json: bool
) -> None:
    detail = client.review(review_id)
    if not yes:
        _confirm(detail, verdict)
    decision_id = client.decide(detail, verdict, note)

    def answered(d: ReviewDetail) -> bool:
        found = decision_in(d, decision_id)
        return found is not None and found.answer != "sent"

    after = client.wait_for(detail.proposal_id, answered, wait_s)
    decision = decision_in(after, decision_id)
    answer = decision.answer if decision else "sent"
    if as_json:
        decided = decision.model_dump(mode="json") if decision else {"decision_id": decision_id, "answer": "sent"}
        _print_json({"proposal_id": after.proposal_id, "state": after.state, "decision": decided})
    else:
        out = screen()
        out.print(screens.decision_line(decision) if decision else Text("sent", style="yellow"))
        out.print(Text.assemble("The review is ", screens.styled(str(after.state)), "."))
        if answer == "sent":
            screen(stderr=True).print(f"The gate hasn't answered within {wait_s:g} s; see `show`.", style="yellow")
    if answer == "refused":
        raise typer.Exit(1)


def _confirm(detail: ReviewDetail, verdict: str) -> None:
    """Ask, unless nobody is there to answer."""
    if not sys.stdin.isatty():
        raise BadInput(f"nobody is there to confirm: {verdict} {detail.proposal_id}", remedy="add --yes")
    screen(stderr=True).print(screens.detail_screen(detail, _now()))
    if not typer.confirm(f"{verdict.capitalize()} this {screens.safe(detail.kind, 60)}?", err=True):
        raise typer.Exit(1)


def _client(data_dir: Path | None, token_file: Path | None) -> ReviewClient:
    return ReviewClient(find_credentials(data_dir, token_file))


def _now() -> Micros:
    return time.time_ns() // 1000


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
