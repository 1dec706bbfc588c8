"""What is written in Python about the native module agrees with it, and the types hold."""

from __future__ import annotations

import builtins
import copy
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import until_sync

import ferromq
from ferromq import MessageQueue, _native, errors


def test_errors_are_the_table() -> None:
    """One class per line of the table, with its sentence, exported everywhere, and what Python calls it."""
    table = dict(_native.error_table())
    own = {"FerroMQError", "SendManyError"}
    assert set(errors.__all__) == table.keys() | own
    assert set(errors.__all__) <= set(ferromq.__all__)
    for name, doc in table.items():
        error = getattr(ferromq, name)
        assert issubclass(error, ferromq.FerroMQError)
        assert (error.__name__, error.__module__, error.__doc__) == (name, "ferromq", doc)
        made = pickle.loads(pickle.dumps(error("text")))
        assert (str(made), made.code, made.retriable, made.not_sent) == ("text", -1, False, True)
    mixed = {
        ferromq.TimeoutError: builtins.TimeoutError,
        ferromq.ConnectError: ConnectionError,
        ferromq.ConfigError: ValueError,
        ferromq.ValidationError: ValueError,
    }
    assert all(issubclass(error, builtin) for error, builtin in mixed.items())


def test_the_stub_has_the_table(project: Path) -> None:
    """The stub's classes and sentences of errors are those of the table."""
    stub = Path(ferromq.__file__).with_name("_native.pyi").read_text()
    for name, doc in _native.error_table():
        assert f"class {name}(FerroMQError" in stub
        assert f'    """{doc}"""' in stub


def test_options_are_the_tables(project: Path) -> None:
    """The types of options are what make_options.py writes."""
    made = subprocess.run([sys.executable, project / "make_options.py"], check=True, capture_output=True, text=True)
    assert Path(ferromq.__file__).with_name("options.py").read_text() == made.stdout


def test_types(project: Path) -> None:
    """The package, its tests and the examples are strictly typed, and the stub agrees with the native module."""
    pytest.importorskip("mypy")
    folders = [folder for folder in ("tests", "examples") if (project / folder).is_dir()]
    config = ["--config-file", str(project / "pyproject.toml"), "--cache-dir", "/dev/null"]
    for what in (["mypy", *config, "-p", "ferromq"], ["mypy", *config, *folders], ["mypy.stubtest", "ferromq._native"]):
        done = subprocess.run([sys.executable, "-m", *what], cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_queues_are_values() -> None:
    """They compare, sort, hash, match, copy and print."""
    queue = MessageQueue("T", "b", 1)
    assert queue == MessageQueue("T", "b", 1) != MessageQueue("T", "b", 2)
    assert {queue: 1}[copy.copy(queue)] == 1
    assert pickle.loads(pickle.dumps(queue)) == queue < MessageQueue("T", "b", 2)
    assert repr(queue) == 'MessageQueue(topic="T", broker_name="b", queue_id=1)'
    match queue:
        case MessageQueue(topic, broker, number):
            assert (topic, broker, number) == ("T", "b", 1)
    with pytest.raises(AttributeError):
        queue.topic = "x"  # type: ignore[misc]


def test_logs_come_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    """Records arrive with their level and logger, without anybody asking; levels are pushed down."""
    with (
        caplog.at_level(logging.WARNING, "ferromq"),
        ferromq.sync.Producer("127.0.0.1:1", group="P", send_timeout=0.1) as p,
    ):
        p.enqueue("T", b"x")
        with pytest.raises(ferromq.NoNameServerError):
            p.flush()
        until_sync(lambda: any("an enqueued message was not sent" in record.getMessage() for record in caplog.records))
    record = next(record for record in caplog.records if "not sent" in record.getMessage())
    assert record.levelno == logging.WARNING
    assert record.name.startswith("ferromq.")
