"""Ends of all kinds, in processes of their own: interpreter exit, Ctrl-C, forks."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

import ferromq

Fill = Callable[..., list[ferromq.Receipt]]

HEAD = """
import asyncio, multiprocessing, os, sys, threading, time
import ferromq
from ferromq import sync
namesrv, topic = sys.argv[1:3]
def say(what):
    # In one piece, whichever threads say something.
    os.write(1, f"{what}\\n".encode())
def push(kind, **more):
    return kind.PushConsumer(namesrv, group="G-" + topic, topics=topic, consume_from="first", **more)
"""

EXITS = {
    "listener on threads": """
consumer = push(sync, listener=lambda message: say("message"))
consumer.start()
say("ready")
sys.stdin.readline()
""",
    "listener that still runs": """
def on_message(message):
    say("message")
    time.sleep(3600)
consumer = push(sync, listener=on_message, drain_timeout=0.2)
consumer.start()
sys.stdin.readline()
""",
    "thread in a loop": """
consumer = push(sync)
consumer.start()
threading.Thread(target=lambda: [say("message") for _ in consumer], daemon=True).start()
sys.stdin.readline()
""",
    "loop left open": """
async def main():
    global consumer
    async def on_message(message):
        say("message")
        await asyncio.sleep(3600)
    consumer = push(ferromq, listener=on_message)
    await consumer.start()
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
""",
    "iteration left open": """
async def main():
    global consumer
    consumer = push(ferromq)
    await consumer.start()
    await anext(consumer)
    say("message")
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
""",
    "everything else open": """
producer = sync.Producer(namesrv, group="P")
producer.enqueue(topic, "last words", on_delivery=lambda receipt, error: say("delivered" if receipt else error))
lite = sync.LitePullConsumer(namesrv, group="L-" + topic, consume_from="first")
lite.subscribe(topic)
next(lite)
say("message")
threading.Thread(target=lite.poll, args=(3600,), daemon=True).start()
unreachable = sync.Producer("127.0.0.1:1", group="P")
threading.Thread(target=unreachable.send, args=("T", b"x"), daemon=True).start()
sys.stdin.readline()
""",
    "sys.exit in a thread's middle": """
producer = sync.Producer(namesrv, group="P")
producer.enqueue(topic, "x")
say("message")
sys.stdin.readline()
sys.exit(0)
""",
}


@pytest.mark.parametrize("kind", EXITS)
def test_the_interpreter_ends(script: Any, ferromq_broker: Any, ferromq_topic: str, fill: Fill, kind: str) -> None:
    """Whatever is open and running, the interpreter ends by itself, in order and without a word."""
    fill(3)
    program = script(HEAD + EXITS[kind], ferromq_broker.namesrv, ferromq_topic)
    while program.line() != "message":
        pass
    code, _, err = program.end()
    # Errors of daemon threads that the end caught in the middle are said by Python; ours may only be warnings.
    assert code == 0, err
    assert "Traceback" not in err or "ClosedError" in err or "NoNameServerError" in err, err
    assert "Fatal" not in err


def test_what_was_enqueued_is_sent_at_the_end(script: Any, ferromq_broker: Any, ferromq_topic: str) -> None:
    """Without a flush, without a close."""
    text = 'producer = sync.Producer(namesrv, group="P")\nfor i in range(1000): producer.enqueue(topic, str(i))\n'
    code, _, err = script(HEAD + text, ferromq_broker.namesrv, ferromq_topic).end()
    assert (code, err) == (0, "")
    with ferromq.sync.LitePullConsumer(ferromq_broker.namesrv, group="E", consume_from="first") as consumer:
        assert sum(consumer.max_offset(queue) for queue in consumer.queues(ferromq_topic)) == 1000


INTERRUPT = """
import signal
# Who runs the tests in the background may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def interrupt(main=threading.main_thread().ident, waits={"wait", "_poll_until", "_take", "select"}):
    while sys._current_frames()[main].f_code.co_name not in waits:
        time.sleep(0.001)
    say("waits")
    os.kill(os.getpid(), signal.SIGINT)
interrupter = threading.Thread(target=interrupt)
"""

WAITS = {
    "send": """
import socket
with socket.create_server(("127.0.0.1", 0)) as silent:
    address = f"127.0.0.1:{silent.getsockname()[1]}"
    producer = sync.Producer(address, group="P", send_timeout=3600, api_timeout=3600)
    interrupter.start()
    producer.send("T", b"x")
""",
    "poll": """
lite = sync.LitePullConsumer(namesrv, group="L-" + topic)
lite.subscribe(topic)
interrupter.start()
lite.poll(3600)
""",
    "for": """
with push(sync) as consumer:
    interrupter.start()
    for message in consumer: pass
""",
    "for over polls": """
with sync.LitePullConsumer(namesrv, group="L-" + topic) as lite:
    lite.subscribe(topic)
    interrupter.start()
    for message in lite: pass
""",
    "wait_closed": """
with push(sync, listener=print) as consumer:
    interrupter.start()
    consumer.wait_closed()
""",
    "asyncio": """
async def main():
    async with push(ferromq) as consumer:
        interrupter.start()
        async for message in consumer: pass
asyncio.run(main())
""",
}


@pytest.mark.parametrize("kind", WAITS)
def test_ctrl_c(script: Any, ferromq_broker: Any, ferromq_topic: str, kind: str) -> None:
    """Ctrl-C in the middle of waiting raises KeyboardInterrupt there, and the program ends."""
    program = script(HEAD + INTERRUPT + WAITS[kind], ferromq_broker.namesrv, ferromq_topic)
    code, out, err = program.end()
    assert (code, out) == (-signal.SIGINT, "waits\n"), err
    assert err.rstrip().endswith("KeyboardInterrupt")


FORK = """
producer = sync.Producer(namesrv, group="P")
consumer = push(sync, listener=lambda message: None)
consumer.start()
lite = sync.LitePullConsumer(namesrv, group="L")
lite.start()
producer.send(topic, "parent")
held = push(sync, max_span=5)
held.start()

def child():
    for call in (
        lambda: producer.send(topic, "child"), lambda: producer.enqueue(topic, "child"), producer.flush, consumer.close,
        consumer.start, lambda: next(held), lite.poll, lite.commit, lite.close, producer.close,
    ):
        try:
            call()
            raise SystemExit("no error")
        except ferromq.ForkedProcessError as error:
            assert "before fork()" in str(error) and not error.retriable
    async def on_a_loop():
        try:
            await other.send(topic, "child")
            raise SystemExit("no error")
        except ferromq.ForkedProcessError:
            pass
    asyncio.run(on_a_loop())
    with sync.Producer(namesrv, group="C") as own:
        own.send(topic, "a child's own")
    say("child ends")

other = ferromq.Producer(namesrv, group="P")
async def use_other():
    await other.send(topic, "parent")
asyncio.run(use_other())
"""

FORKS = {
    "os.fork": """
pid = os.fork()
if pid == 0:
    child()
    sys.exit(7)
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
""",
    "multiprocessing": """
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
assert process.exitcode == 0, process.exitcode
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("kind", FORKS)
def test_forks(script: Any, ferromq_broker: Any, ferromq_topic: str, fill: Fill, kind: str) -> None:
    """Objects of the parent say so in a child, new ones work there, both end normally, and the parent goes on."""
    fill(10)
    ignore = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"
    rest = 'producer.send(topic, "still here")\nsay("parent ends")\n'
    program = script(HEAD + ignore + FORK + FORKS[kind] + rest, ferromq_broker.namesrv, ferromq_topic)
    code, out, err = program.end()
    assert (code, err) == (0, ""), err
    assert out.split("\n")[-3:] == ["child ends", "parent ends", ""]


def test_import_is_quiet_and_starts_nothing(script: Any) -> None:
    """Importing makes no threads and needs nothing but Python."""
    text = (
        "import threading, sys, ferromq\nprint(threading.active_count(), 'asyncio' in sys.modules, ferromq.__version__)"
    )
    code, out, err = script(text).end()
    assert (code, out.split()[0], err) == (0, "1", ""), err
    assert sys.version_info >= (3, 10)
