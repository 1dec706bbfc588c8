"""Brokers come from the package ferromq-server; event loops of three kinds from here."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import ferromq_server
import pytest

import ferromq

PATIENCE = 30.0
"""Seconds after which something that has to happen has not."""
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(scope="session")
def ferromq_broker() -> Iterator[ferromq_server.Server]:
    """The broker of all tests. Failed messages come again after a second, not after ten."""
    with ferromq_server.start(properties={"messageDelayLevel": "1s 1s 1s 1s 1s"}) as server:
        yield server


class NoReaderLoop(asyncio.SelectorEventLoop):
    """Like the loop of Windows: it cannot watch descriptors of others."""

    def add_reader(self, *_: Any) -> None:  # type: ignore[override]
        raise NotImplementedError


def _loops() -> list[Any]:
    kinds: list[Any] = [
        pytest.param(asyncio.SelectorEventLoop, id="asyncio"),
        pytest.param(NoReaderLoop, id="no-reader"),
    ]
    try:
        import uvloop
    except ImportError:
        return kinds
    return [*kinds, pytest.param(uvloop.new_event_loop, id="uvloop")]


@pytest.fixture(params=_loops())
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a new loop, with a deadline, and leaves nothing behind."""

    def call(main: Coroutine[Any, Any, None]) -> None:
        loop = request.param()
        try:
            loop.run_until_complete(asyncio.wait_for(main, 2 * PATIENCE))
            left = asyncio.all_tasks(loop)
            assert not left, f"tasks left behind: {left}"
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return call


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)


def until_sync(condition: Callable[[], object]) -> None:
    """Waits for a condition, blocking."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@pytest.fixture
def fill(ferromq_broker: Any, ferromq_topic: str) -> Callable[..., list[ferromq.Receipt]]:
    """Sends messages with numbers as bodies to the test's topic."""

    def call(count: int, start: int = 0, sharding_key: str | None = None, **parts: Any) -> list[ferromq.Receipt]:
        with ferromq.sync.Producer(ferromq_broker.namesrv, group="fill") as producer:
            numbers = range(start, start + count)
            if sharding_key is not None:
                # In order, that is one after the other.
                return [producer.send(ferromq_topic, str(i), sharding_key=sharding_key) for i in numbers]
            return producer.send_many(ferromq.Message(ferromq_topic, str(i), **parts) for i in numbers)

    return call


class Script:
    """A Python program in a process of its own."""

    def __init__(self, text: str, *args: str) -> None:
        command = [sys.executable, "-X", "faulthandler", "-W", "error::ResourceWarning", "-c", text, *args]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def line(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.process.communicate(timeout=PATIENCE)[1]
        return line

    def end(self) -> tuple[int, str, str]:
        """Waits for its end: exit code and what it said."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            pytest.fail(f"the program hangs\n{out}\n{err}")
        return self.process.returncode, out, err


@pytest.fixture
def script() -> Callable[..., Script]:
    """Starts a program."""
    return Script


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder above the tests."""
    return Path(__file__).parent.parent
