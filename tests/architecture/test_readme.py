"""The README stays short, names the two commands, and shows an agent that runs."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from tests.architecture.tracked import ROOT, name_of, tracked_files

from rivergate.testing import AgentTest

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def dead_links(page: Path, text: str) -> list[str]:
    """Relative links of a page that lead nowhere."""
    return [
        f"{name_of(page)} links to {target}, which doesn't exist"
        for target in LINK.findall(text)
        if "://" not in target and not (page.parent / target).exists()
    ]


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_readme_is_read_in_one_go() -> None:
    """At most 150 lines."""
    assert len(README.splitlines()) <= 150


def test_readme_names_the_two_commands_and_make_has_them() -> None:
    """A stranger's first two commands are on the page and exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("demo", "test"):
        assert f"$ make {command}" in README
        assert re.search(rf"^{command}:.*## ", makefile, flags=re.MULTILINE)


def test_no_link_of_any_page_is_dead() -> None:
    """Pages lead to pages that exist."""
    pages = [p for p in tracked_files() if p.suffix == ".md"]
    assert ROOT / "README.md" in pages
    assert [dead for p in pages for dead in dead_links(p, p.read_text(encoding="utf-8"))] == []


def test_a_planted_dead_link_is_named() -> None:
    """The check turns red for a page that isn't there, and leaves the web alone."""
    planted = "[a](docs/nowhere.md#x) [b](LICENSE) [c](https://example.org/x)"
    assert dead_links(ROOT / "README.md", planted) == ["README.md links to docs/nowhere.md, which doesn't exist"]


def load_block(page: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's one Python block as a module, so that its classes can be pickled as a user's can."""
    (block,) = code_blocks(page.read_text(encoding="utf-8"), "python")
    module = ModuleType("page_under_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block, page.name, "exec"), vars(module))  # noqa: S102 - the page's own code is under test
    return module


def test_the_agent_of_the_readme_learns_and_proposes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed runs as it stands: taught that heat means trouble, it proposes to inspect."""
    shown = load_block(ROOT / "README.md", monkeypatch)
    with AgentTest(shown.Watcher, restore=True) as t:
        for i in range(400):
            hot = i % 2 == 1
            event_id = t.send(shown.Reading(line="a", sensors={"heat": 90.0 + i % 7 if hot else 20.0 + i % 5}))
            t.label(event_id, hot)
        taught = len(t.proposals)
        t.send(shown.Reading(line="b", sensors={"heat": 20.0}))
        assert len(t.proposals) == taught
        t.send(shown.Reading(line="b", sensors={"heat": 93.0}))
        assert t.proposals[taught:] == [shown.Inspect(line="b")]


def unknown_commands(text: str) -> list[str]:
    """Commands of ours that a page shows in a console block and that the command line doesn't have."""
    root: Any = typer.main.get_command(importlib.import_module("rivergate.cli.main").app)
    found = []
    for line in "".join(code_blocks(text, "console")).splitlines():
        words = line.removeprefix("$ ").partition("#")[0].split()
        if words[:1] != ["rivergate"]:
            continue
        command, rest = root, words[1:]
        while rest and hasattr(command, "commands"):
            child = command.commands.get(rest[0])
            if child is None:
                found.append(" ".join(words))
                break
            command, rest = child, rest[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        found += [f"{' '.join(words)}: {w}" for w in rest if w.startswith("--") and w.partition("=")[0] not in known]
    return found


def test_every_command_on_a_page_exists() -> None:
    """Nobody is told to type what isn't there."""
    pages = [p for p in tracked_files() if p.suffix == ".md"]
    assert [c for p in pages for c in unknown_commands(p.read_text(encoding="utf-8"))] == []


def test_planted_unknown_commands_are_named() -> None:
    """A command and an option that don't exist turn red."""
    planted = (
        "```console\n$ rivergate reviews list\n$ rivergate broker --prot 1  # x\n$ rivergate broker --port 1\n```\n"
    )
    assert unknown_commands(planted) == ["rivergate reviews list", "rivergate broker --prot 1: --prot"]


def test_every_guide_and_decision_is_in_the_index() -> None:
    """A page that nothing leads to is a page that nobody reads."""
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [p.relative_to(ROOT / "docs").as_posix() for p in tracked_files() if p.is_relative_to(ROOT / "docs")]
    assert [p for p in pages if p.endswith(".md") and p != "README.md" and f"({p})" not in index] == []
