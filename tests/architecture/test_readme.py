"""The README stays short, names the two commands, and shows an agent that runs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.tracked import ROOT, name_of, tracked_files

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


def test_the_agent_of_the_readme_is_code_that_loads() -> None:
    """The block runs as it stands and declares what the text says."""
    (block,) = code_blocks(README, "python")
    found: dict[str, object] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), found)  # noqa: S102 - the README's own code is under test
    watcher = found["Watcher"]
    assert [e.__name__ for e in watcher.consumes] == ["Reading"]  # type: ignore[attr-defined]
    assert [p.proposal_kind for p in watcher.proposes] == ["inspect"]  # type: ignore[attr-defined]
