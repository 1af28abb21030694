"""What conformance suites share: a private PostgreSQL, started from the machine's own programs."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

NewDatabase = Callable[[], str]

_START_S = 30.0


@pytest.fixture(scope="session")
def postgres(need: Callable[..., str]) -> Iterator[NewDatabase]:
    """Makes a new, empty database of a private cluster and returns its SQLAlchemy URL.

    The cluster listens on a socket file alone and keeps nothing. PostgreSQL refuses to run as root, so root
    starts it as another user.
    """
    programs = Path(need("initdb", package="postgresql")).parent
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="rivergate-pg-"))
    account = pwd.getpwnam(user)
    as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        if as_user:
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
            **as_user,
        )
        assert made.returncode == 0, made.stderr
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", f"unix_socket_directories={folder}"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder, **as_user
            )
        try:
            numbers = count()
            yield lambda: _new_database(folder, server, f"test_{next(numbers)}")
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_user() -> str:
    return getpass.getuser() if os.geteuid() != 0 else "nobody"


def _new_database(folder: Path, server: subprocess.Popen[bytes], name: str) -> str:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            with psycopg.connect(host=str(folder), user="tester", dbname="postgres", autocommit=True) as c:
                c.execute(f"CREATE DATABASE {name}")
            return f"postgresql://tester@/{name}?host={folder}"
        except psycopg.OperationalError:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
