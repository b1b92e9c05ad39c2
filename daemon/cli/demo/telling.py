"""This is where the demo's story is told in the terminal: chapters, what people do, what Tallystick answers."""

import shlex
import time
from collections.abc import Sequence
from typing import Final

from daemon.cli.text.lines import Line, print_lines

LONGEST: Final = 12
"""Lines of an answer that are shown."""
_PAUSE: Final = 0.8


class Teller:
    """Tells the story. Pauses are for people at a terminal only."""

    def __init__(self, *, color: bool | None, slow: bool) -> None:
        self._color, self._slow = color, slow
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """A new chapter."""
        self._chapter += 1
        self._pause()
        self._print("")
        self._say(Line(f"{self._chapter}. {title}", "head"))

    def say(self, text: str) -> None:
        """What happens, in a sentence."""
        self._say(Line(f"   {text}"))

    def command(self, words: Sequence[str]) -> None:
        """A command as a person would type it."""
        self._pause()
        self._say(Line(f"   $ tallystick {shlex.join(words)}", "change"))

    def answer(self, text: str, *, longest: int = LONGEST) -> None:
        """What the command printed, trimmed."""
        lines = text.rstrip("\n").splitlines()
        for line in lines[:longest]:
            self._say(Line(f"     {line}", "quiet"))
        if len(lines) > longest:
            self._say(Line(f"     ... and {len(lines) - longest} lines more", "quiet"))

    def ended(self, code: int) -> None:
        """How a command ended, where that says something."""
        if code:
            self._say(Line(f"     (exit code {code})", "quiet"))

    def proven(self, text: str) -> None:
        """Something that was checked and holds."""
        self._say(Line(f"   ok  {text}", "good"))

    def failed(self, text: str) -> None:
        """The story is not true."""
        self._say(Line(f"   NO  {text}", "bad"))

    def _print(self, text: str) -> None:
        self._say(Line(text))

    def _say(self, line: Line) -> None:
        print_lines([line], color=self._color)

    def _pause(self) -> None:
        if self._slow:
            time.sleep(_PAUSE)
