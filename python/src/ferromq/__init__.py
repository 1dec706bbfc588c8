"""Client for Apache RocketMQ: asyncio here, the same blocking in `ferromq.sync`.

Constructors do no I/O but check their options. Objects are opened by `async with` (or `start()`), closed by leaving it (or
`close()`). One object belongs to one event loop at a time and to the process it was made in.
"""

from ferromq import sync
from ferromq._listen import Retry
from ferromq._message import Message
from ferromq._native import MessageQueue, MessageView, Receipt, __version__
from ferromq.errors import (
    BrokerError,
    ClosedError,
    ConfigError,
    ConnectError,
    DecodeError,
    FerroMQError,
    ForkedProcessError,
    InternalError,
    NoBrokerError,
    NoNameServerError,
    QueueFullError,
    SendError,
    SendManyError,
    TimeoutError,
    TopicNotFoundError,
    ValidationError,
)
from ferromq.lite import LitePullConsumer
from ferromq.producer import Producer
from ferromq.push import PushConsumer

__all__ = [
    "BrokerError",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "DecodeError",
    "FerroMQError",
    "ForkedProcessError",
    "InternalError",
    "LitePullConsumer",
    "Message",
    "MessageQueue",
    "MessageView",
    "NoBrokerError",
    "NoNameServerError",
    "Producer",
    "PushConsumer",
    "QueueFullError",
    "Receipt",
    "Retry",
    "SendError",
    "SendManyError",
    "TimeoutError",
    "TopicNotFoundError",
    "ValidationError",
    "__version__",
    "sync",
]
