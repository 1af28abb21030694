"""The repository speaks of the project alone: no package index, no path of somebody's machine."""

from __future__ import annotations

import re

from tests.architecture.tracked import name_of, tracked_files

# Written in pieces, so that this file passes its own check.
INDEXES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "registry" + ".npm", "repo1" + ".maven"]
OPTIONS = ["--index" + "-url", "--extra-index" + "-url", "index" + "-url", "--find" + "-links", "--trusted" + "-host"]
MACHINE_PATH = re.compile(r"(?<![\w.}~/-])/(?:home|root|Users|work|opt/wheels|mnt|tmp)/[\w.-]")


def blemishes(name: str, text: str) -> list[str]:
    """What in a text points at a package index or at one machine, line by line."""
    return [
        f"{name}:{number}: {what}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what in [
            *(f"names a package index ({index})" for index in INDEXES if index in line.lower()),
            *(f"sets where packages come from ({option})" for option in OPTIONS if option in line.lower()),
            *(f"a path of one machine ({found.group()}…)" for found in MACHINE_PATH.finditer(line)),
        ]
    ]


def test_no_index_and_no_machine_path_in_any_file() -> None:
    """Where packages come from is the machine's business; where the work was done is nobody's."""
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image or another binary
        found += blemishes(name_of(path), text)
    assert found == []


def test_planted_blemishes_are_named() -> None:
    """Each kind turns red; a path inside a container or below a variable passes."""
    planted = "\n".join(
        [
            "https://" + INDEXES[0] + "/simple",
            "pip install " + OPTIONS[0] + "=…",
            "open('/" + "home/someone/x')",
            "/var/lib/rivergate",
            "${BASE}/home/x",
        ]
    )
    found = blemishes("a", planted)
    assert [line.split(":")[1] for line in found if "index" in line] == ["1", "2", "2"]
    assert [line.split(":")[1] for line in found if "machine" in line] == ["3"]
    assert len(found) == 4
