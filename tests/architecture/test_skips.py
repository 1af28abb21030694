"""Nothing is skipped silently where CI=true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.tracked import ROOT

PLANTED = {
    "test_call.py": "import pytest\ndef test_it(): pytest.skip('needs a moon')\n",
    "test_need.py": "def test_it(need): need('no-such-program', package='moon')\n",
    "test_module.py": "import pytest\npytest.skip('needs a moon', allow_module_level=True)\n",
    "test_mark.py": "import pytest\n@pytest.mark.skipif(True, reason='needs a moon')\ndef test_it(): pass\n",
    "test_xfail.py": "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False\n",
}


def closing_line(folder: Path, ci: str) -> tuple[int, str, str]:
    """Exit code, output and closing line of a run over the planted tests."""
    conftest = (ROOT / "tests/conftest.py").read_text(encoding="utf-8")
    for name, source in {**PLANTED, "conftest.py": conftest}.items():
        (folder / name).write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rsfE", "--rootdir", str(folder)]
    done = subprocess.run(
        [*command, "--continue-on-collection-errors", str(folder)],
        cwd=folder,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stdout.splitlines()[-1]


def test_a_laptop_skips_with_the_reason(tmp_path: Path) -> None:
    """What a machine lacks is skipped there, and the run says what would bring it."""
    code, output, closing = closing_line(tmp_path, ci="")
    assert code == 0
    assert closing.startswith("4 skipped, 1 xfailed in ")
    assert "needs no-such-program: sudo apt-get install moon" in output


def test_ci_fails_whatever_way_a_test_skips_itself(tmp_path: Path) -> None:
    """Under CI=true each kind of skip is red and keeps its reason; an expected failure stays what it is."""
    code, output, closing = closing_line(tmp_path, ci="true")
    assert code == 1
    assert closing.startswith("2 failed, 1 xfailed, 2 errors in ")
    assert output.count("skipped under CI=true: ") >= 4
    assert "needs no-such-program: sudo apt-get install moon" in output
