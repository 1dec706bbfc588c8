"""The library's log records, handed to `logging` under `ferromq` and below.

A thread of the process waits for records, so that they come out also when the program does nothing with the library. Levels are
looked at here and pushed down: records that nobody wants are not even made.
"""

from __future__ import annotations

import logging
import os
import threading

from ferromq import _native

LOGGER = logging.getLogger("ferromq")
_lock = threading.Lock()
_process: int | None = None


def start() -> None:
    """Starts the thread, once in a process, and takes the level over."""
    global _process  # noqa: PLW0603
    _native.log_level(LOGGER.getEffectiveLevel())
    with _lock:
        if _process == os.getpid():
            return
        _process = os.getpid()
        _native.log_install()
        threading.Thread(target=_run, name="ferromq-log", daemon=True).start()


def _run() -> None:
    while True:
        _native.log_wait(3600.0)
        hand_on()


def hand_on() -> None:
    """Hands on what has been gathered."""
    _native.log_level(LOGGER.getEffectiveLevel())
    records, dropped = _native.log_drain()
    for level, name, text, seconds in records:
        logger = logging.getLogger(name)
        if logger.isEnabledFor(level):
            record = logger.makeRecord(name, level, "ferromq", 0, text, (), None)
            record.created, record.msecs = seconds, seconds % 1 * 1000
            logger.handle(record)
    if dropped:
        LOGGER.warning("%d log records were thrown away: too many came at once", dropped)
