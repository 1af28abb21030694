"""The environments of peers that can't share ours: made once from pinned versions, in rivergate's folder of caches."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

from rivergate.runtime.kafka.distribution import cache_dir

HERE = Path(__file__).parent
QUIX, FAUST = "quix", "faust"
INSTALL_S = 300.0


class Unavailable(Exception):
    """A peer that can't be had here; says why. Its rows are missing then."""


@cache
def python_of(peer: str) -> str:
    """The Python that has the peer, which is installed on first use. Raises `Unavailable`."""
    pins = HERE / f"{peer}.txt"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_dir() / "bench" / f"{peer}-{wanted}"
    python = folder / "bin" / "python"
    made = folder / "made"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)  # what an installation that was cut off has left
        _install(peer, pins, folder, python)
        made.touch()
    return str(python)


def _install(peer: str, pins: Path, folder: Path, python: Path) -> None:
    try:
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "-r", str(pins)], check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as e:
        said = (e.stderr or e.stdout or "").strip().splitlines()
        raise Unavailable(f"{peer} can't be installed: {said[-1] if said else e}") from e
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Unavailable(f"{peer} can't be installed: {e}") from e
