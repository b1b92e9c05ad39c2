"""This is where a test can kill the process at a numbered point of the write sequence; nothing happens otherwise."""

import os
import signal
from typing import Final

ARMED: Final = os.environ.get("TALLYSTICK_FAILPOINT", "")
"""`name` or `name:3` to die at the third passage. Read once, at import."""

POINTS: Final = ("planned", "testified", "sent", "written", "settled", "outcome", "saved")
"""In the order of one flight, then the end of the run."""

_name, _, _count = ARMED.partition(":")
_left = int(_count or 1)


def reached(point: str) -> None:
    """Die here without a word, as in a power cut, if this point is armed."""
    global _left
    if point != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
