"""pyproject.toml and constraints.txt agree, and neither says where packages come from."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from importlib.resources import files
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.architecture.tracked import ROOT, python_files

PARTS = {
    "markupsafe": "jinja2",
    "pydantic-core": "pydantic",
    "starlette": "fastapi",
    "opentelemetry-api": "opentelemetry-sdk",
}
"""Distributions that come with another as a part of it, and are imported as such."""

NEVER_IMPORTED = {
    "langgraph": "users compile their graphs with it; the adapter runs what it is given",
    "psycopg": "SQLAlchemy loads it for a postgresql:// URL",
    "python-multipart": "FastAPI loads it to read forms",
    "numpy": "River computes with it; its version is part of the code's digest",
}


def third_party(source: str) -> set[str]:
    """Top-level names outside the standard library that a source imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"rivergate"}


def undeclared(imported: Iterable[str], declared: set[str]) -> list[str]:
    """Imported names that no declared distribution brings."""
    homes = packages_distributions()
    known = {name: {canonicalize_name(home) for home in homes.get(name, [])} for name in imported}
    return sorted(name for name, dists in known.items() if not {PARTS.get(d, str(d)) for d in dists} & declared)


def declared_names() -> set[str]:
    """The distributions that an installed rivergate depends on."""
    return {canonicalize_name(Requirement(r).name) for r in project()["project"]["dependencies"]}


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


def test_what_is_imported_is_declared() -> None:
    """Nothing works only because something else happens to bring it."""
    imported = {name for p in python_files("src") for name in third_party(p.read_text(encoding="utf-8"))}
    assert undeclared(imported, declared_names()) == []


def test_what_is_declared_is_imported() -> None:
    """Nobody downloads what nothing uses."""
    imported = {name for p in python_files("src") for name in third_party(p.read_text(encoding="utf-8"))}
    homes = packages_distributions()
    used = {canonicalize_name(home) for name in imported for home in homes.get(name, [])}
    assert declared_names() - used - set(NEVER_IMPORTED) == set()


def test_a_planted_undeclared_import_is_named() -> None:
    """The check turns red, also for an import inside a function; a part of a declared one passes."""
    planted = "import os\nimport pytest\nfrom rivergate import Agent\ndef f():\n    from markupsafe.x import y\n"
    assert third_party(planted) == {"pytest", "markupsafe"}
    assert undeclared(third_party(planted), {"jinja2"}) == ["pytest"]
