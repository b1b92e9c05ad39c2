"""This is where a test can kill the process at a numbered point of the write sequence; nothing happens otherwise."""

import os
import signal
from collections.abc import Callable
from typing import Final

ARMED: Final = os.environ.get("TALLYSTICK_FAILPOINT", "")
"""`name` or `name:3` to die at the third passage. Read once, at import."""

POINTS: Final = ("planned", "testified", "sent", "written", "settled", "outcome", "saved")
"""In the order of one flight, then the end of the run."""


def arm(point: str, die: Callable[[], None]) -> None:
    """Call *die* at `name`, or at the third passage of `name:3`; "" disarms. For tests within one process."""
    global _name, _left, _die
    _name, _, passages = point.partition(":")
    _left, _die = int(passages or 1), die


def reached(point: str) -> None:
    """Die here without a word, as in a power cut, if this point is armed."""
    global _left
    if point != _name:
        return
    _left -= 1
    if _left == 0:
        _die()


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # pragma: no cover  # whoever comes here tells nothing any more


_name, _left, _die = "", 1, _killed
arm(ARMED, _killed)
