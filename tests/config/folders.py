"""This is where tests get configuration folders: the good one of tests/config/good, and single faults put into it."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daemon.config.load import load
from daemon.errors import ConfigError

HERE = Path(__file__).parent
GOOD = HERE / "good"


def good_folder(target: Path) -> Path:
    """A copy of the good configuration."""
    return Path(shutil.copytree(GOOD, target / "config"))


def change(folder: Path, file: str, old: str, new: str) -> None:
    """Replaces *old*, which must be there, in one file; no *old* appends, and makes the file where there is none."""
    path = folder / file
    text = path.read_text() if path.exists() else ""
    assert old in text, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new, 1) if old else text + new + "\n")


def problems(folder: Path) -> tuple[str, ...]:
    """What loading the folder complains about."""
    try:
        load(folder, env={})
    except ConfigError as error:
        return error.problems
    return ()


@dataclass
class Case:
    """One fault: `@ file`, `- old` and `+ new` say how it is made, the lines after `=` what must be said.

    Three dots stand for anything: the lists of drivers and definitions grow.
    """

    title: str
    edits: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def apply(self, folder: Path) -> None:
        """Puts the fault into *folder*."""
        for file, old, new in self.edits:
            change(folder, file, "\n".join(old), "\n".join(new))

    def says(self, told: str) -> bool:
        """Whether *told* is the text that was expected."""
        pattern = ".*".join(re.escape(part) for part in "\n".join(self.expected).split("..."))
        return re.fullmatch(pattern, told) is not None


def cases() -> Iterator[Case]:
    """Every case of tests/config/bad."""
    for path in sorted((HERE / "bad").glob("*.txt")):
        case: Case | None = None
        telling = False
        for line in path.read_text().splitlines():
            if line.startswith("== "):
                if case:
                    yield case
                case, telling = Case(f"{path.stem}: {line[3:]}"), False
                continue
            assert case, f"{path.name} begins with a line that belongs to no case"
            if telling:
                case.expected.append(line)
            elif line == "=":
                telling = True
            elif line.startswith("@ "):
                case.edits.append((line[2:], [], []))
            else:
                case.edits[-1][1 if line[0] == "-" else 2].append(line[2:])
        if case:
            yield case
