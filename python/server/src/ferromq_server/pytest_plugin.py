"""Fixtures for pytest: a broker for the whole run, a fresh topic for each test.

.. code-block:: python

    def test_orders(ferromq_broker, ferromq_topic):
        producer = ferromq.sync.Producer(ferromq_broker.namesrv)
        producer.send(ferromq_topic, b"hello")
"""

import re
import uuid
from collections.abc import Iterator

import pytest

from ._server import Server, start

_NAME_MAX = 60


@pytest.fixture(scope="session")
def ferromq_broker() -> Iterator[Server]:
    """A server that all tests share: ``.namesrv`` is what clients are given. Started at its first use."""
    with start() as server:
        yield server


@pytest.fixture
def ferromq_topic(ferromq_broker: Server, request: pytest.FixtureRequest) -> str:
    """The name of a topic that only this test knows, with four queues. It begins with the name of the test."""
    test = re.sub(r"[^A-Za-z0-9_-]", "_", str(request.node.name))[:_NAME_MAX]
    topic = f"{test}-{uuid.uuid4().hex[:8]}"
    ferromq_broker.create_topic(topic)
    return topic
