"""docker-compose.yml and the Dockerfile agree with each other and with the repository; no engine is needed to see it."""

from __future__ import annotations

import importlib
import re
from typing import Any

import typer
import yaml
from tests.architecture.tracked import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")


def problems(compose: dict[str, Any]) -> list[str]:
    """What would keep the services from finding each other, or let others find them."""
    services, found = compose["services"], []
    published: dict[str, str] = {}
    for name, service in services.items():
        image = service.get("image", "")
        if "build" not in service and not re.search(r":\d+\.\d+\.\d+$", image):
            found.append(f"{name}: {image} isn't an exact version")
        for port in service.get("ports", []):
            address, outside, _inside = (["", *str(port).split(":")])[-3:]
            if address != "127.0.0.1":
                found.append(f"{name}: {port} is open to other machines")
            if outside in published:
                found.append(f"{name}: {outside} is {published[outside]}'s already")
            published[outside] = name
        found += [
            f"{name} waits for {other}, which isn't here"
            for other in service.get("depends_on", {})
            if other not in services
        ]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source not in compose.get("volumes", {}):
                found.append(f"{name}: volume {source} isn't declared")
    for word in services["runtime"]["command"]:
        for port in re.findall(r"127\.0\.0\.1:(\d+)", word):
            if port not in published:
                found.append(f"runtime: nobody publishes the port of {word}")
    return found


def test_compose_holds_together() -> None:
    """Versions are exact, ports are on loopback and known to those who need them, names resolve."""
    assert problems(COMPOSE) == []


def test_planted_problems_are_named() -> None:
    """Each rule turns red."""
    planted = {
        "services": {
            "kafka": {"image": "apache/kafka:latest", "ports": ["9092:9092"]},
            "jaeger": {"image": "a/b:1.2.3", "ports": ["127.0.0.1:9092:1"], "volumes": ["data:/x"]},
            "runtime": {"build": ".", "command": ["--otlp=http://127.0.0.1:4318"], "depends_on": {"kafak": {}}},
        }
    }
    assert problems(planted) == [
        "kafka: apache/kafka:latest isn't an exact version",
        "kafka: 9092:9092 is open to other machines",
        "jaeger: 9092 is kafka's already",
        "jaeger: volume data isn't declared",
        "runtime waits for kafak, which isn't here",
        "runtime: nobody publishes the port of --otlp=http://127.0.0.1:4318",
    ]


def test_kafka_tells_clients_the_address_that_is_published() -> None:
    """A client that bootstraps is sent on to the advertised address."""
    environment = COMPOSE["services"]["kafka"]["environment"]
    assert "127.0.0.1:9092:9092" in COMPOSE["services"]["kafka"]["ports"]
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:9092"
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_image_is_built_from_files_that_exist() -> None:
    """What the Dockerfile copies is in the repository and not ignored."""
    build = COMPOSE["services"]["runtime"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_the_image_runs_without_rights_where_the_data_are() -> None:
    """The process isn't root, and the volume of compose is the image's data directory."""
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)
    assert "VOLUME /var/lib/rivergate" in DOCKERFILE
    assert "RIVERGATE_DATA_DIR=/var/lib/rivergate" in DOCKERFILE
    assert "rivergate:/var/lib/rivergate" in COMPOSE["services"]["runtime"]["volumes"]


def test_compose_runs_a_command_that_exists() -> None:
    """The command line of the image takes every option that compose gives it."""
    command: Any = typer.main.get_command(importlib.import_module("rivergate.cli.main").app)
    words: list[str] = COMPOSE["services"]["runtime"]["command"]
    while words and not words[0].startswith("-"):
        command = command.commands[words[0]]
        words = words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words} <= known
