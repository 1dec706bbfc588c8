"""The blocking producer."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ferromq import _exit
from ferromq._loop import Completions
from ferromq._message import Message, Seconds, seconds_of
from ferromq._wait import SLICE, wait
from ferromq.errors import FerroMQError, receipts
from ferromq.producer import CLOSE_TIMEOUT, ProducerBase, outcome_for

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ferromq._message import Body
    from ferromq._native import MessageQueue, Receipt
    from ferromq.producer import OnDelivery


class Producer(ProducerBase):
    """Sends messages; `send` returns when the message is delivered. See `ferromq.Producer`."""

    _deliveries: _Deliveries | None = None
    _lock = threading.Lock()

    def start(self) -> None:
        """Opens it. Not needed before a send, which does it too."""
        wait(self._native.start(None))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flushes (without an exception under way: raises when enqueued messages were not sent) and closes."""
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    def send(
        self,
        topic: str,
        body: Body,
        *,
        key: str | Sequence[str] | None = None,
        tag: str | None = None,
        properties: Mapping[str, str] | None = None,
        sharding_key: str | None = None,
        delay_level: int = 0,
        queue: MessageQueue | None = None,
    ) -> Receipt:
        """See `ferromq.Producer.send`."""
        waiter = self._native.send(None, topic, body, key, tag, properties, sharding_key, delay_level, queue)
        receipt: Receipt = wait(waiter)
        return receipt

    def send_many(self, messages: Iterable[Message]) -> list[Receipt]:
        """See `ferromq.Producer.send_many`."""
        return receipts(wait(self._native.send_many(None, list(messages))))

    def send_oneway(
        self,
        topic: str,
        body: Body,
        *,
        key: str | Sequence[str] | None = None,
        tag: str | None = None,
        properties: Mapping[str, str] | None = None,
        delay_level: int = 0,
    ) -> None:
        """See `ferromq.Producer.send_oneway`."""
        wait(self._native.send_oneway(None, topic, body, key, tag, properties, delay_level))

    def enqueue(
        self,
        topic: str,
        body: Body,
        *,
        key: str | Sequence[str] | None = None,
        tag: str | None = None,
        properties: Mapping[str, str] | None = None,
        sharding_key: str | None = None,
        delay_level: int = 0,
        queue: MessageQueue | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        """See `ferromq.Producer.enqueue`. `on_delivery` is called on a thread of the producer."""
        token = None
        if on_delivery is not None:
            token = self._delivering().callback(outcome_for(on_delivery))
        try:
            self._native.enqueue(token, topic, body, key, tag, properties, sharding_key, delay_level, queue)
        except BaseException:
            if token is not None:
                self._delivering().forget(token)
            raise

    def _delivering(self) -> _Deliveries:
        with self._lock:
            if self._deliveries is None:
                self._deliveries = _Deliveries(self)
            return self._deliveries

    def flush(self) -> None:
        """See `ferromq.Producer.flush`."""
        if self._deliveries is None:
            wait(self._native.flush(None))
        else:
            self._deliveries.flush()

    def close(self, timeout: Seconds = CLOSE_TIMEOUT) -> None:
        """See `ferromq.Producer.close`."""
        wait(self._native.close(None, seconds_of(timeout)))
        if self._deliveries is not None:
            self._deliveries.end()
        _exit.closed(self)

    def _end_exit(self, seconds: float) -> None:
        if self._deliveries is not None:
            self._deliveries.end()


class _Deliveries(Completions):
    """A thread that calls what enqueued messages came with."""

    def __init__(self, producer: Producer) -> None:
        super().__init__(producer._native)
        self._native = producer._native
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=f"ferromq-{producer.group}-delivery", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending:
            if self._queue.wait(SLICE):
                self.deliver()

    def flush(self) -> None:
        """In line with what is delivered: callbacks come before the answer."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("flush waits for on_delivery, and cannot be called in it")
        answered = threading.Event()
        answers: list[FerroMQError | None] = []

        def on_flushed(answer: FerroMQError | None) -> None:
            answers.append(answer)
            answered.set()

        self._native.flush(self.callback(on_flushed))
        while not answered.wait(SLICE):
            pass
        if answers[0] is not None:
            raise answers[0]

    def end(self) -> None:
        """Calls what is left and ends the thread."""
        self._ending = True
        if threading.current_thread() is not self._thread:
            self._thread.join()
            self.deliver()
