"""Everything that this package raises.

All but `SendManyError` are made by the native module from the one table that all languages share. Every one has `code` (the
broker's response code, else Java's client-side code, else -1), `retriable` (the same call may succeed later) and `not_sent`
(no server can have executed the request). Some are also what Python calls that kind of error: `TimeoutError` is a
`builtins.TimeoutError`, `ConnectError` a `ConnectionError`, `ConfigError` and `ValidationError` are `ValueError`s. Arguments of
a wrong type raise Python's own `TypeError`.
"""

from ferromq._native import (
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
    Receipt,
    SendError,
    TimeoutError,
    TopicNotFoundError,
    ValidationError,
)

__all__ = [
    "BrokerError",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "DecodeError",
    "FerroMQError",
    "ForkedProcessError",
    "InternalError",
    "NoBrokerError",
    "NoNameServerError",
    "QueueFullError",
    "SendError",
    "SendManyError",
    "TimeoutError",
    "TopicNotFoundError",
    "ValidationError",
]


class SendManyError(FerroMQError):
    """Some messages of one `send_many` were not sent. `code`, `retriable` and `not_sent` are those of the first failure."""

    code: int
    retriable: bool
    not_sent: bool
    results: list[Receipt | FerroMQError]
    """One per message, in the order in which they were given: its receipt, or why it was not sent."""

    def __init__(self, results: list[Receipt | FerroMQError]) -> None:
        failures = [result for result in results if isinstance(result, FerroMQError)]
        first = failures[0]
        super().__init__(f"{len(failures)} of {len(results)} messages were not sent, the first because: {first}")
        self.results = results
        self.code, self.retriable, self.not_sent = first.code, first.retriable, first.not_sent


def receipts(results: list[Receipt | FerroMQError]) -> list[Receipt]:
    """The results of a send of many, when all were sent."""
    good = [result for result in results if not isinstance(result, FerroMQError)]
    if len(good) < len(results):
        raise SendManyError(results)
    return good
