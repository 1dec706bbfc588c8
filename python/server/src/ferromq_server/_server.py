"""A server process and what is known of it.

The process ends when its standard input closes, and this process holds the only other end: so it ends however this one ends,
and removes its data itself. It has a session of its own, so that Ctrl-C in a terminal reaches the tests and not the broker
they still need. Its log goes to a file without a name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ._executable import executable

_START_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 20.0
_CALL_TIMEOUT_S = 30.0


class ServerError(RuntimeError):
    """The server did not start, or refused what it was asked for. The message says what it said."""


class Server:
    """A running server; made by :func:`start`. A context manager: leaving the block ends it."""

    namesrv: str
    """Address of the name server, ``host:port``: what clients are given."""
    broker: str
    """Address of the broker."""
    broker_name: str
    """Name of the broker."""
    pid: int
    """Id of the process."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], said: dict[str, Any]) -> None:
        self._process = process
        self._log = log
        self._data = Path(said["data_dir"])
        self._lock = threading.Lock()
        self.namesrv = said["namesrv"]
        self.broker = said["broker"]
        self.broker_name = said["broker_name"]
        self.pid = process.pid

    def __repr__(self) -> str:
        state = "running" if self.is_running() else "closed"
        return f"<ferromq_server.Server namesrv={self.namesrv} broker={self.broker} pid={self.pid} {state}>"

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def create_topic(self, topic: str, queues: int = 4) -> None:
        """Creates a topic, or changes how many queues it has. Clients can find it when this returns. Without this the
        broker makes a topic at its first message.

        Raises:
            ServerError: the broker refused the name or the number.
        """
        command = [str(executable()), "topic", "--namesrv", self.namesrv, f"--queues={queues}", "--", topic]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_CALL_TIMEOUT_S)
        if done.returncode != 0:
            raise ServerError(done.stderr.decode(errors="replace").strip())

    def log(self) -> str:
        """What the server has logged so far: warnings and errors, or what ``FERROMQ_LOG`` asks for."""
        with self._lock:
            return _text(self._log)

    def close(self, timeout: float = _CLOSE_TIMEOUT_S) -> None:
        """Ends the server in order and waits for that, up to ``timeout`` seconds; then kills it. A second call does
        nothing."""
        with self._lock:
            if self._log.closed:
                return
            _end(self._process, timeout)
            # A killed one could not clear up.
            shutil.rmtree(self._data.parent, ignore_errors=True)
            self._log.close()

    def kill(self) -> None:
        """Ends the server at once, as a power cut would, for tests of clients that lose their broker."""
        self._process.kill()
        self.close()


def start(
    *, properties: Mapping[str, str | int | bool] | None = None, timeout: float = _START_TIMEOUT_S
) -> Server:
    """Starts a server and returns when it can be used, after some 50 ms.

    Args:
        properties: settings of the broker as in ``broker.conf``, like ``{"autoCreateTopicEnable": False}``.
        timeout: seconds after which a server that does not say that it is ready is killed.

    Raises:
        ServerError: it did not start; the message is what it said.
        FileNotFoundError: there is no executable, see :func:`executable`.
    """
    command = [str(executable()), "standalone", "--ephemeral", "--json"]
    for name, value in (properties or {}).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        command += ["--property", f"{name}={text}"]
    # Opened twice, because a place to read at of our own must not move the place where the server writes.
    with tempfile.NamedTemporaryFile(prefix="ferromq-log-") as written:
        log = open(written.name, "rb")
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            start_new_session=os.name == "posix",
        )
    try:
        line = _first_line(process, timeout)
        said = json.loads(line) if line else None
        if said is None:
            process.wait(timeout=timeout)
            raise ServerError(f"{command[0]} ended with {process.returncode}: {_text(log).strip()}")
        return Server(process, log, said)
    except (subprocess.TimeoutExpired, ValueError) as error:
        _end(process, 0.0)
        raise ServerError(f"{' '.join(command)} was not ready after {timeout} s: {_text(log).strip()}") from error
    except BaseException:
        _end(process, 0.0)
        raise


def _first_line(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """Its first line; empty when it ended without one."""
    lines: list[bytes] = []

    def read() -> None:
        if process.stdout is not None:
            lines.append(process.stdout.readline())

    reader = threading.Thread(target=read, name="ferromq-server", daemon=True)
    reader.start()
    reader.join(timeout)
    if not lines:
        raise subprocess.TimeoutExpired(process.args, timeout)
    return lines[0]


def _end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Closes its standard input, waits, kills."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _text(log: IO[bytes]) -> str:
    if log.closed:
        return ""
    log.seek(0)
    return log.read().decode(errors="replace")
