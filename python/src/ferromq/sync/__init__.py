"""The same as `ferromq`, blocking: for programs without an event loop.

Objects may be used by many threads at a time. Ctrl-C works while they wait; what was begun still happens.
"""

from ferromq.sync.lite import LitePullConsumer
from ferromq.sync.producer import Producer
from ferromq.sync.push import PushConsumer

__all__ = ["LitePullConsumer", "Producer", "PushConsumer"]
