"""Waiting on a thread for one result.

In slices: Python runs signal handlers (Ctrl-C) between them. What was waited for still happens when one raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferromq._native import Waiter

SLICE = 0.1
"""Seconds between two looks at signals."""


def wait(waiter: Waiter | None) -> Any:
    """The result, when it is there."""
    assert waiter is not None
    while True:
        answer = waiter.wait(SLICE)
        if answer is not None:
            return answer[0]
