"""The installed package as its users have it: the module, the fixtures, the command, and that nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ferromq_server
import pytest

PATIENCE_S = 30.0


def run(*args: str, given: str = "") -> str:
    """Runs the carried executable and returns what it printed."""
    command = [str(ferromq_server.executable()), *args]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_messages_go_in_and_come_out(ferromq_broker: ferromq_server.Server, ferromq_topic: str) -> None:
    """What the carried executable produces it consumes, with the addresses the fixture gives."""
    namesrv = ["--namesrv", ferromq_broker.namesrv, "--topic", ferromq_topic]
    run("produce", *namesrv, given="one\ntwo\n")
    out = run("consume", *namesrv, "--from", "first", "--count", "2")
    assert sorted(out.split()) == ["one", "two"]


def test_topics_are_fresh(ferromq_broker: ferromq_server.Server, ferromq_topic: str) -> None:
    """A topic of the fixture has the test's name and holds nothing; a wrong name is refused with the reason."""
    assert ferromq_topic.startswith("test_topics_are_fresh-")
    namesrv = ["--namesrv", ferromq_broker.namesrv, "--topic", ferromq_topic]
    assert run("consume", *namesrv, "--from", "first", "--exit") == ""
    with pytest.raises(ferromq_server.ServerError, match="no such/name"):
        ferromq_broker.create_topic("no such/name")


def test_the_command_is_installed() -> None:
    """`ferromq` is among the scripts of the environment and on the PATH, and `python -m` runs the same one."""
    assert shutil.which("ferromq") == str(ferromq_server.executable())
    module = subprocess.run([sys.executable, "-m", "ferromq_server", "--version"], capture_output=True, text=True)
    assert module.stdout == run("--version")


def test_close_leaves_nothing() -> None:
    """After the block the process and its data are gone; closing again does nothing."""
    with ferromq_server.start() as server:
        data = Path(server._data)
        assert data.exists() and server.is_running()
    assert not data.parent.exists() and not server.is_running()
    server.close()
    assert "closed" in repr(server)


def test_kill_leaves_nothing() -> None:
    """A killed server's data is removed as well."""
    server = ferromq_server.start()
    server.kill()
    assert not server._data.parent.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_it_ends_with_its_parent() -> None:
    """The server of a process that is killed ends by itself and removes its data."""
    program = "import ferromq_server; s = ferromq_server.start(); print(s.pid, s._data.parent, flush=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, data = parent.stdout.readline().split()
    assert Path(data).exists()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not is_there(int(pid)) and not Path(data).exists())
    parent.communicate()


def test_properties_and_failures() -> None:
    """Settings reach the broker; one that does not exist is answered with what the server said."""
    with ferromq_server.start(properties={"autoCreateTopicEnable": False}) as server:
        command = [str(ferromq_server.executable()), "produce", "--namesrv", server.namesrv, "--topic", "absent"]
        done = subprocess.run(command, input="x\n", capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 1 and "absent" in done.stderr
    with pytest.raises(ferromq_server.ServerError, match="messageDelayLevel"):
        ferromq_server.start(properties={"messageDelayLevel": "nonsense"})


def test_no_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An executable that is named and not there is an error that says so."""
    monkeypatch.setenv("FERROMQ_BIN", "/nowhere/ferromq")
    with pytest.raises(FileNotFoundError, match="/nowhere/ferromq"):
        ferromq_server.start()
