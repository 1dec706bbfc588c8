"""The blocking push consumer."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING

from ferromq import _exit
from ferromq._push import THREADS_END_WITHIN, Listener, PushBase
from ferromq._wait import SLICE, wait
from ferromq.errors import ClosedError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ferromq import _native
    from ferromq._native import MessageView


class PushConsumer(PushBase):
    """Consumes messages as a member of a group: by a listener on threads, or by a loop over it. See `ferromq.PushConsumer`.

    ```python
    with PushConsumer("localhost:9876", group="billing", topics={"orders": "new || paid"}) as consumer:
        for message in consumer:
            bill(message.body)
    ```
    """

    def _open(self, native: _native.PushConsumer, *, orderly: bool) -> None:
        super()._open(native, orderly=orderly)
        self._closed = threading.Event()

    def listen(self, listener: Listener) -> Listener:
        if inspect.iscoroutinefunction(listener):
            raise TypeError("a coroutine function needs an event loop: use ferromq.PushConsumer")
        return super().listen(listener)

    listen.__doc__ = PushBase.listen.__doc__

    def start(self) -> None:
        """Joins the group and begins to call the listener. Raises FerroMQError, NoNameServerError for example, and is
        closed then."""
        self._started = True
        try:
            wait(self._native.start(None))
        except BaseException:
            self.close()
            raise
        if self._listener is not None and not self._threads:
            self._start_threads()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hands.leave(failed=kind is not None)
        self.close()

    def __iter__(self) -> Self:
        self._check_loop()
        return self

    def __next__(self) -> MessageView:
        hands = self._hands
        if not hands.asking.acquire(blocking=False):
            raise RuntimeError("two loops over one consumer: give it a listener for several messages at a time")
        try:
            message = hands.next()
            while message is None:
                if hands.stopping:
                    raise StopIteration
                if not self._started:
                    raise ClosedError("the push consumer was not opened: use it in `with`, or call start()")
                hands.taken(self._take(hands.share.limit))
                message = hands.next()
            return message
        finally:
            hands.asking.release()

    def _take(self, limit: int) -> list[MessageView]:
        try:
            return self._native.take_wait(limit, SLICE)
        except ClosedError:
            self._hands.stopping = True
            return []

    def wait_closed(self) -> None:
        """Waits until it is closed by somebody else. For programs that do nothing but consume."""
        while not self._closed.wait(SLICE):
            pass

    def close(self) -> None:
        """Takes nothing any more, waits up to `drain_timeout` for listeners that run, gives back what was not begun, commits
        and leaves the group. Again: does nothing. In a listener it does not wait: its own message would."""
        self._hands.stopping = True
        if not self._is_worker():
            self._hands.leave(failed=False)
            self._end()
        elif not self._closed.is_set():
            threading.Thread(target=self._end, name=f"ferromq-{self.group}-close").start()

    def _end(self) -> None:
        wait(self._native.close(None))
        self._join_threads(THREADS_END_WITHIN)
        self._closed.set()
        _exit.closed(self)
