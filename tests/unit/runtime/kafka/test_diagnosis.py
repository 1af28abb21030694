from __future__ import annotations

from pathlib import Path

import pytest

from rivergate.runtime.kafka.diagnosis import explain_exit, text_after
from rivergate.runtime.kafka.errors import BrokerCrashed, PortInUse

HEAD = "2026-01-02T03:04:05,678 INFO LogManager Loading meta.properties, OutOfMemoryError handlers set\n"
FATAL = HEAD + "2026-01-02T03:04:06,000 ERROR Kafka$ Exiting Kafka due to fatal exception\n"


def explain(output: str = "", log: str = "", code: int = 1) -> str:
    """The sentence for a broker that ended by itself."""
    error = explain_exit(output, log, code=code, port=9092, where=Path("data/kafka/broker.log"))
    assert isinstance(error, BrokerCrashed)
    assert error.remedy
    return error.what


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("java.lang.RuntimeException: Error: node ID not found in log", "damaged"),
        ("java.lang.RuntimeException: No readable meta.properties files found.", "damaged"),
        ("java.io.IOException: No space left on device", "the disk is full"),
        ("java.nio.file.AccessDeniedException: log/.lock", "may not write"),
        ("java.io.IOException: Too many open files", "file descriptors"),
        ("java.lang.NoClassDefFoundError: scala/Option", "missing from the cache"),
    ],
)
def test_known_reasons_are_said_in_plain_words(reason: str, said: str) -> None:
    """A line of the log becomes a sentence."""
    assert said in explain(log=f"{FATAL}{reason}\n\tat kafka.Kafka$.main(Kafka.scala:99)\n")


def test_java_that_gets_no_memory() -> None:
    """Java says so on its output before there is a log."""
    assert "memory" in explain("Error occurred during initialization of VM\nCould not reserve enough space for heap\n")


def test_normal_lines_are_no_reason() -> None:
    """Words of good days, before the first error, don't count."""
    what = explain(log=f"{FATAL}org.apache.kafka.common.KafkaException: The moon is full.\n\tat a.B.c(B.java:1)\n")
    assert what == "Apache Kafka stopped: The moon is full"


def test_the_innermost_cause_speaks_and_no_stack_is_shown() -> None:
    """Of nested exceptions the last names the reason."""
    log = (
        FATAL
        + "a.b.FirstException: outer\n\tat a.B.c(B.java:1)\nCaused by: a.b.SecondError: inner\n\tat a.B.d(B.java:2)\n"
    )
    assert explain(log=log) == "Apache Kafka stopped: inner"


@pytest.mark.parametrize(("code", "said"), [(137, "killed"), (143, "told to stop")])
def test_signals_from_outside(code: int, said: str) -> None:
    """128 + N is a signal that we didn't send."""
    assert said in explain(code=code)


def test_silence_is_said() -> None:
    """No log and no output leave the exit code."""
    assert explain(code=3) == "Apache Kafka stopped: it gave no reason, exit code 3"


def test_a_port_lost_while_starting() -> None:
    """The port that the log names is said."""
    log = FATAL + "a.b.KafkaException: Socket server failed to bind to 127.0.0.1:9093: Address already in use.\n"
    error = explain_exit("", log, code=1, port=9092, where=Path("broker.log"))
    assert isinstance(error, PortInUse)
    assert "9093" in error.what


def test_a_log_is_read_from_where_this_start_began(tmp_path: Path) -> None:
    """Older starts don't speak; a file that was rolled over is read whole; a missing one is empty."""
    path = tmp_path / "broker.log"
    path.write_text("old\nnew\n")
    assert text_after(path, 4) == "new\n"
    assert text_after(path, 400) == "old\nnew\n"
    assert text_after(tmp_path / "none", 0) == ""
