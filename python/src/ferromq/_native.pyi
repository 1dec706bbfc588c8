"""The native module (bindings/python). Private: the package around it is what users import."""

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, final

from ferromq._message import Body, Message

__version__: Final[str]
CONSUMED: Final[int]
RELEASED: Final[int]

class FerroMQError(Exception):
    """What goes wrong with a message queue."""

    code: int
    """The broker's response code, else Java's client-side code, else -1."""
    retriable: bool
    """The same call may succeed later."""
    not_sent: bool
    """No server can have executed the request."""

class ClosedError(FerroMQError):
    """The object is closed, or was not opened."""

class ForkedProcessError(FerroMQError):
    """The object was made before fork() and used in the child."""

class ConfigError(FerroMQError, ValueError):
    """An option is unknown or has an impossible value."""

class ValidationError(FerroMQError, ValueError):
    """A message or an argument was refused before anything was sent."""

class TopicNotFoundError(FerroMQError):
    """The topic does not exist, or has no usable queue."""

class NoNameServerError(FerroMQError):
    """No name server is configured, or none answered."""

class NoBrokerError(FerroMQError):
    """The topic's route has no address for the broker."""

class BrokerError(FerroMQError):
    """A server answered with an error code."""

class ConnectError(FerroMQError, ConnectionError):
    """No connection to a server could be made."""

class SendError(FerroMQError):
    """The connection broke before the answer: the request may have been executed."""

class TimeoutError(FerroMQError, builtins.TimeoutError):
    """No answer in time: the request may have been executed."""

class QueueFullError(FerroMQError):
    """A limit of this client was reached; nothing was sent."""

class DecodeError(FerroMQError):
    """A server sent something that cannot be read."""

class InternalError(FerroMQError):
    """A mistake in this library: please report it."""

@final
class MessageQueue:
    """One queue of a topic on one broker."""

    __match_args__ = ("topic", "broker_name", "queue_id")
    def __new__(cls, topic: str, broker_name: str, queue_id: int) -> MessageQueue: ...
    @property
    def topic(self) -> str:
        """Topic."""
    @property
    def broker_name(self) -> str:
        """Name of the broker."""
    @property
    def queue_id(self) -> int:
        """Number of the queue."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: MessageQueue, /) -> bool: ...
    def __le__(self, other: MessageQueue, /) -> bool: ...
    def __gt__(self, other: MessageQueue, /) -> bool: ...
    def __ge__(self, other: MessageQueue, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __getnewargs__(self, /) -> tuple[str, str, int]: ...

@final
class MessageView:
    """A received message. What it holds becomes Python's when it is looked at."""

    @property
    def topic(self) -> str:
        """The topic; of a message that comes again, the one it was sent to."""
    @property
    def body(self) -> bytes:
        """The body, decompressed."""
    @property
    def tag(self) -> str | None:
        """The tag."""
    @property
    def keys(self) -> list[str]:
        """The keys."""
    @property
    def properties(self) -> dict[str, str]:
        """All properties, reserved ones included."""
    @property
    def sharding_key(self) -> str | None:
        """The sharding key."""
    @property
    def message_id(self) -> str:
        """The unique id given by the producer; without one, the broker's id."""
    @property
    def offset_message_id(self) -> str:
        """The broker's id: its address and the offset in its log."""
    @property
    def queue(self) -> MessageQueue:
        """The queue it was read from."""
    @property
    def queue_offset(self) -> int:
        """Offset in the queue."""
    @property
    def born_timestamp(self) -> int:
        """When the producer made it, milliseconds since 1970 by the producer's clock."""
    @property
    def born_time(self) -> datetime:
        """When the producer made it, by the producer's clock. In UTC."""
    @property
    def store_timestamp(self) -> int:
        """When the broker stored it, milliseconds since 1970 by the broker's clock."""
    @property
    def store_time(self) -> datetime:
        """When the broker stored it, by the broker's clock. In UTC."""
    @property
    def born_host(self) -> str:
        """Where it came from, as the broker saw it: host and port."""
    @property
    def store_host(self) -> str:
        """The broker that stored it: host and port."""
    @property
    def reconsume_times(self) -> int:
        """How often it was delivered before and sent back."""

@final
class Receipt:
    """The answer to a send. Its parts become Python's when they are looked at."""

    @property
    def status(self) -> str:
        """How it was stored: SEND_OK, FLUSH_DISK_TIMEOUT, FLUSH_SLAVE_TIMEOUT or SLAVE_NOT_AVAILABLE. With every one of
        them it is stored on the master."""
    @property
    def message_id(self) -> str:
        """The unique id that this client gave the message."""
    @property
    def offset_message_id(self) -> str:
        """The broker's id: its address and the offset in its log."""
    @property
    def queue(self) -> MessageQueue:
        """The queue that took it."""
    @property
    def queue_offset(self) -> int:
        """Its offset there."""
    @property
    def region_id(self) -> str:
        """Region of the broker."""

@final
class Waiter:
    def wait(self, seconds: float) -> tuple[Any] | None: ...

_Drained = tuple[list[int], list[Any], bool, bool]

@final
class Producer:
    def __new__(cls, group: str, options: dict[str, Any], echo: bool) -> Producer: ...
    def fileno(self) -> int | None: ...
    def wait(self, seconds: float) -> bool: ...
    def drain(self) -> _Drained: ...
    def start(self, token: int | None) -> Waiter | None: ...
    def send(
        self,
        token: int | None,
        topic: str,
        body: Body,
        key: str | Sequence[str] | None,
        tag: str | None,
        properties: Mapping[str, str] | None,
        sharding_key: str | None,
        delay_level: int,
        queue: MessageQueue | None,
        /,
    ) -> Waiter | None: ...
    def gather(
        self,
        token: int,
        topic: str,
        body: Body,
        key: str | Sequence[str] | None,
        tag: str | None,
        properties: Mapping[str, str] | None,
        sharding_key: str | None,
        delay_level: int,
        queue: MessageQueue | None,
        /,
    ) -> bool: ...
    def submit(self) -> None: ...
    def send_oneway(
        self,
        token: int | None,
        topic: str,
        body: Body,
        key: str | Sequence[str] | None,
        tag: str | None,
        properties: Mapping[str, str] | None,
        delay_level: int,
        /,
    ) -> Waiter | None: ...
    def send_many(self, token: int | None, messages: list[Message]) -> Waiter | None: ...
    def enqueue(
        self,
        token: int | None,
        topic: str,
        body: Body,
        key: str | Sequence[str] | None,
        tag: str | None,
        properties: Mapping[str, str] | None,
        sharding_key: str | None,
        delay_level: int,
        queue: MessageQueue | None,
        /,
    ) -> None: ...
    def flush(self, token: int | None) -> Waiter | None: ...
    def close(self, token: int | None, seconds: float) -> Waiter | None: ...

@final
class PushConsumer:
    def __new__(
        cls, group: str, options: dict[str, Any], orderly: bool, subscriptions: list[tuple[str, str]]
    ) -> PushConsumer: ...
    @staticmethod
    def echo(count: int, body_len: int, rate: int) -> PushConsumer: ...
    def fileno(self) -> int | None: ...
    def wait(self, seconds: float) -> bool: ...
    def drain(self) -> _Drained: ...
    def start(self, token: int | None) -> Waiter | None: ...
    def take(self, max: int) -> list[MessageView]: ...
    def take_wait(self, max: int, seconds: float) -> list[MessageView]: ...
    def settle(self, messages: list[MessageView], outcomes: list[int] | None = None) -> None: ...
    def close(self, token: int | None) -> Waiter | None: ...
    def assigned_queues(self) -> list[MessageQueue]: ...

@final
class LitePullConsumer:
    def __new__(cls, group: str, options: dict[str, Any]) -> LitePullConsumer: ...
    def fileno(self) -> int | None: ...
    def wait(self, seconds: float) -> bool: ...
    def drain(self) -> _Drained: ...
    def call(self, token: int | None, what: str, /, *args: Any) -> Waiter | None: ...
    def close(self, token: int | None) -> Waiter | None: ...

def error_table() -> list[tuple[str, str]]: ...
def option_table(kind: str) -> list[tuple[str, str, str, str, str]]: ...
def log_install() -> None: ...
def log_wait(seconds: float) -> bool: ...
def log_drain() -> tuple[list[tuple[int, str, str, float]], int]: ...
def log_level(level: int) -> None: ...
