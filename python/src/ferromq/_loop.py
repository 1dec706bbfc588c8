"""The way from a native object's queue of results to an event loop.

The loop watches the queue's descriptor; each wake-up takes everything out at once and fulfils the futures. Loops without
`add_reader` (Windows) get a thread that waits for the queue and calls the loop.

An object binds to the loop that uses it first. When that loop is closed, the next one takes over; futures of the old one are
forgotten, callbacks and what callers have given up are not. All but the thread's waiting happens on the loop's thread.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ferromq._native import ClosedError, FerroMQError
from ferromq._wait import SLICE

LOGGER = logging.getLogger("ferromq")


class Queue(Protocol):
    """A native object with a queue of results."""

    def fileno(self) -> int | None: ...
    def wait(self, seconds: float) -> bool: ...
    def drain(self) -> tuple[list[int], list[Any], bool, bool]: ...


class Completions:
    """Results of calls with tokens, given to whoever waits for them."""

    def __init__(self, queue: Queue, on_ready: Callable[[], None] | None = None) -> None:
        self._queue = queue
        self._on_ready = on_ready
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self._callbacks: dict[int, Callable[[Any], object]] = {}
        self._next_token = itertools.count(1).__next__

    def callback(self, call: Callable[[Any], object]) -> int:
        """A token whose result (maybe an exception object) is given to `call`."""
        token = self._next_token()
        self._callbacks[token] = call
        return token

    def forget(self, token: int) -> None:
        """The call was not made."""
        self._futures.pop(token, None)
        self._callbacks.pop(token, None)

    def deliver(self) -> None:
        """Takes out what is there."""
        tokens, results, failed, ready = self._queue.drain()
        future_of = self._futures.pop
        for token, result in zip(tokens, results, strict=True):
            future = future_of(token, None)
            if future is None:
                self._call_back(token, result)
            elif not future.done():
                if failed and isinstance(result, FerroMQError):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        if ready and self._on_ready is not None:
            self._on_ready()

    def _call_back(self, token: int, result: Any) -> None:
        call = self._callbacks.pop(token, None)
        if call is None:
            return
        try:
            call(result)
        except Exception:
            LOGGER.exception("a callback failed")


class Loop(Completions):
    """Completions on an event loop."""

    _loop: asyncio.AbstractEventLoop | None = None
    _watch: _Watch | None = None
    _descriptor: int | None = None
    _closing: asyncio.Task[None] | None = None
    _closed = False

    def __init__(self, queue: Queue, what: str, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(queue, on_ready)
        self._what = what

    def future(self) -> tuple[int, asyncio.Future[Any]]:
        """A token and the future of its result, on the running loop."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        token = self._next_token()
        future: asyncio.Future[Any] = loop.create_future()
        self._futures[token] = future
        return token, future

    async def call(self, begin: Callable[..., object], *args: Any) -> Any:
        """Calls a native method with a token before its other arguments, and waits for the result."""
        token, future = self.future()
        try:
            begin(token, *args)
        except BaseException:
            self.forget(token)
            raise
        return await future

    def bind(self) -> asyncio.AbstractEventLoop:
        """The running loop, bound to."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        return loop

    def soon(self, call: Callable[[], object]) -> None:
        """Calls something in this turn of the loop, after what runs now."""
        assert self._loop is not None
        self._loop.call_soon(call)

    def is_bound(self) -> bool:
        """True while the loop that it was used on lives."""
        return self._loop is not None and not self._loop.is_closed()

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        # First of all: in a forked child this raises, and that is what has to be said there.
        descriptor = self._queue.fileno()
        if self._closed:
            raise ClosedError(f"the {self._what} is closed")
        if self.is_bound():
            raise RuntimeError(f"this {self._what} is used on another event loop: make one for every loop")
        self._end_watch()
        self._futures.clear()
        self._loop = loop
        if descriptor is not None:
            try:
                loop.add_reader(descriptor, self.deliver)
            except NotImplementedError:
                descriptor = None
        self._descriptor = descriptor
        if descriptor is None:
            self._watch = _Watch(self._queue, loop, self.deliver)

    async def close(self, end: Callable[[], Coroutine[Any, Any, None]], *, wait: bool = True) -> None:
        """Closes by `end`, once, whoever calls and gives up waiting."""
        if self._closed:
            return
        if self._closing is None or self._closing.get_loop().is_closed():
            self._closing = asyncio.get_running_loop().create_task(end())
        if wait:
            await asyncio.shield(self._closing)

    def unbind(self) -> None:
        """It is closed: nothing more is expected."""
        self._closed = True
        for future in self._futures.values():
            if not future.done() and not future.get_loop().is_closed():
                future.set_exception(ClosedError(f"the {self._what} was closed meanwhile"))
        self._futures.clear()
        if self._descriptor is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._descriptor = None
        self._end_watch()
        self._loop = None

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.stopped = True
            self._watch = None


class _Watch(threading.Thread):
    """Waits for the queue and calls the loop, once per wake-up."""

    def __init__(self, queue: Queue, loop: asyncio.AbstractEventLoop, deliver: Callable[[], None]) -> None:
        super().__init__(name="ferromq-watch", daemon=True)
        self.stopped = False
        self._queue, self._loop, self._deliver = queue, loop, deliver
        self._delivered = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stopped and not self._loop.is_closed():
            try:
                if not self._queue.wait(SLICE):
                    continue
                self._delivered.clear()
                self._loop.call_soon_threadsafe(self._turn)
            except (FerroMQError, RuntimeError):
                # Forked, or the loop was closed meanwhile.
                return
            while not self._delivered.wait(SLICE) and not self.stopped and not self._loop.is_closed():
                pass

    def _turn(self) -> None:
        try:
            if not self.stopped:
                self._deliver()
        finally:
            self._delivered.set()
