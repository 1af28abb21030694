"""pyproject.toml and constraints.txt agree, and neither says where packages come from."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.architecture.tracked import ROOT


def project() -> dict[str, Any]:
    """The content of pyproject.toml."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings


def disagreements(requirements: list[str], constraints: str) -> list[str]:
    """Where the exact versions don't cover or don't satisfy what is required."""
    lines = [line for line in constraints.splitlines() if line and not line.startswith("#")]
    found = [f"not an exact version: {line}" for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)]
    versions = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    for requirement in map(Requirement, requirements):
        version = versions.get(canonicalize_name(requirement.name))
        if version is None:
            found.append(f"{requirement.name} has no version in constraints.txt")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement.name}=={version} isn't {requirement.specifier}")
    return found


def test_every_dependency_has_an_exact_version() -> None:
    """A fresh clone gets what we tested."""
    settings = project()["project"]
    requirements = settings["dependencies"] + settings["optional-dependencies"]["dev"]
    assert disagreements(requirements, (ROOT / "constraints.txt").read_text(encoding="utf-8")) == []


def test_planted_disagreements_are_named() -> None:
    """A missing package, a version outside the range and a loose line each turn red."""
    assert disagreements(["ray>=2", "river==0.26.*", "rich"], "river==0.25.0\nrich>=14\n") == [
        "not an exact version: rich>=14",
        "ray has no version in constraints.txt",
        "river==0.25.0 isn't ==0.26.*",
        "rich has no version in constraints.txt",
    ]


def test_every_exception_to_ruff_has_its_reason() -> None:
    """A rule that is off without a comment, its own or that of the lines it stands with, is a rule forgotten."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("[tool.ruff.lint]")[2].partition("[tool.ruff.format]")[0]
    codes = re.findall(r'^ {4}"[A-Z]+\d*",(.*)$', section, flags=re.MULTILINE)
    assert codes
    assert sum("#" in rest for rest in codes) >= len(codes) * 0.6


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers of users read our annotations."""
    assert files("rivergate").joinpath("py.typed").is_file()
