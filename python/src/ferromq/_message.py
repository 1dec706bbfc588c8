"""A message to be sent, and the values that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from ferromq._native import MessageQueue

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Buffer

    Body: TypeAlias = str | Buffer
    """What a message may carry: bytes, anything with the buffer protocol, or text, which goes as UTF-8."""

Seconds = float | timedelta
"""A time span: seconds or a timedelta."""


class Message(NamedTuple):
    """A message for `send_many`. The native module reads the fields by their order."""

    topic: str
    """Where it goes."""
    body: Body
    """Bytes, anything with the buffer protocol, or text, which goes as UTF-8. Not empty."""
    key: str | Sequence[str] | None = None
    """A key to find the message by, or several. White space separates keys."""
    tag: str | None = None
    """What consumers filter by."""
    properties: Mapping[str, str] | None = None
    """Properties of the application."""
    sharding_key: str | None = None
    """Messages of one sharding key go to one queue, the same from every language."""
    delay_level: int = 0
    """Delivery after the delay of this level: 1 (1 s) to 18 (2 h) with the broker's usual table."""
    queue: MessageQueue | None = None
    """The queue it goes to, if it has to be a certain one."""


def seconds_of(span: Seconds) -> float:
    """A time span in seconds."""
    return span.total_seconds() if isinstance(span, timedelta) else float(span)
