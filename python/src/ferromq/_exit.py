"""What is still open when the interpreter ends is closed, in bounded time.

Python runs this after all threads but daemons have ended. Without it, daemon threads would come out of native code into an
interpreter that is gone, and messages that were given would not be sent.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import weakref
from typing import TYPE_CHECKING, Protocol

from ferromq import _logs

if TYPE_CHECKING:
    from ferromq._native import Waiter

SECONDS = 15.0
"""How long the end of the interpreter waits for all that is open. Sends that have not ended then are lost, messages whose
listeners still run come again."""


class Open(Protocol):
    """Something to be closed."""

    def _begin_exit(self) -> Waiter | None: ...
    def _end_exit(self, seconds: float) -> None: ...


_open: weakref.WeakSet[Open] = weakref.WeakSet()


def opened(what: Open) -> None:
    """To be closed at the end."""
    _logs.start()
    _open.add(what)


def closed(what: Open) -> None:
    """Was closed."""
    _open.discard(what)


def _close_all() -> None:
    deadline = time.monotonic() + SECONDS
    begun = []
    for what in list(_open):
        # Whatever is wrong with one, the others are closed too.
        with contextlib.suppress(Exception):
            begun.append((what, what._begin_exit()))
    for what, waiter in begun:
        with contextlib.suppress(Exception):
            if waiter is not None:
                waiter.wait(max(0.0, deadline - time.monotonic()))
            what._end_exit(max(0.0, deadline - time.monotonic()))
    _logs.hand_on()


atexit.register(_close_all)
# A child has none of the threads behind these objects.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)
