"""What the push consumers have in common: subscriptions, the listener, its threads, the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ferromq import _exit, _native
from ferromq._listen import LOGGER, Hands

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ferromq._native import MessageQueue, MessageView, Waiter
    from ferromq.options import PushOptions

    Topics = str | Iterable[str] | Mapping[str, str]

THREADS_END_WITHIN = 1.0
"""Seconds for worker threads to end after everything they had was settled or given up."""

Listener = TypeVar("Listener", bound=Callable[..., Any])


def subscriptions_of(topics: Topics) -> list[tuple[str, str]]:
    """Topics and expressions."""
    if isinstance(topics, str):
        return [(topics, "*")]
    if isinstance(topics, Mapping):
        return list(topics.items())
    return [(topic, "*") for topic in topics]


def default_concurrency() -> int:
    """The table's default."""
    return next(int(row[2]) for row in _native.option_table("push") if row[0] == "concurrency")


class PushBase:
    """See the module."""

    _listener: Callable[[MessageView], Any] | None = None
    _started = False

    def __init__(
        self,
        namesrv: str | None = None,
        *,
        group: str,
        topics: Topics,
        orderly: bool = False,
        listener: Callable[[MessageView], Any] | None = None,
        **options: Unpack[PushOptions],
    ) -> None:
        """`namesrv`: name servers, `host:port;host:port`; without it the environment variable NAMESRV_ADDR. `group`: the
        consumer group. `topics`: a topic, several, or a mapping of topics to expressions: `*`, or tags joined by `||`.
        `orderly`: the messages of a queue one after the other. `listener`: called with each message; see `listen`.

        Raises ConfigError and ValidationError; nothing is connected yet.
        """
        given: dict[str, Any] = {"namesrv": namesrv, **options}
        self._open(self._make(group, given, orderly, subscriptions_of(topics)), orderly=orderly)
        self._concurrency = int(given.get("concurrency") or default_concurrency())
        self.group = group
        """The consumer group."""
        if listener is not None:
            self.listen(listener)
        _exit.opened(self)

    def _make(
        self, group: str, options: dict[str, Any], orderly: bool, subscriptions: list[tuple[str, str]]
    ) -> _native.PushConsumer:
        return _native.PushConsumer(group, options, orderly, subscriptions)

    def _open(self, native: _native.PushConsumer, *, orderly: bool) -> None:
        self._native = native
        self._hands = Hands(native, orderly=orderly)
        self._threads: list[threading.Thread] = []

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of group {self.group}>"

    def listen(self, listener: Listener) -> Listener:
        """Sets the listener, which is called with each message, up to `concurrency` at a time; a decorator, too.

        A message is consumed when the listener returns (whatever it returns); it comes again when it raises. Plain functions
        run on threads of their own. Before the start only.
        """
        if not callable(listener):
            raise TypeError(f"a listener is a function of one message, not {type(listener).__name__}")
        if self._started or self._listener is not None:
            raise RuntimeError("the listener is set once, before the start")
        self._listener = listener
        return listener

    def ack(self, message: MessageView) -> None:
        """In a loop over the consumer: the message is consumed, now. Needed only before leaving the loop; asking for the
        next message does it as well."""
        self._hands.ack(message)

    def retry(self, message: MessageView, delay_level: int = 0) -> None:
        """In a loop over the consumer: the message shall come again, in order with all behind it. `delay_level`: see
        `Retry`."""
        self._hands.retry(message, delay_level)

    def assigned_queues(self) -> list[MessageQueue]:
        """Queues that this member of the group consumes now."""
        return self._native.assigned_queues()

    def _check_loop(self) -> None:
        if self._listener is not None:
            raise RuntimeError("this consumer has a listener: its messages go there")

    def _start_threads(self) -> None:
        listener = self._listener
        assert listener is not None
        for number in range(self._concurrency):
            name = f"ferromq-{self.group}-{number}"
            thread = threading.Thread(target=self._hands.work, args=(listener,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _join_threads(self, seconds: float) -> None:
        """Waits for the worker threads; those whose listeners do not return are left alone."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    LOGGER.warning("a listener of group %s still runs on %s", self.group, thread.name)

    def _is_worker(self) -> bool:
        return threading.current_thread() in self._threads

    def _begin_exit(self) -> Waiter | None:
        self._hands.stopping = True
        self._hands.leave(failed=False)
        if not self._threads:
            # Tasks of a loop that does not run any more.
            for batch in list(self._hands.batches):
                batch.release()
        return self._native.close(None)

    def _end_exit(self, seconds: float) -> None:
        self._join_threads(min(seconds, THREADS_END_WITHIN))
