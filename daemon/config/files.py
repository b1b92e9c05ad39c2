"""This is where the files of a configuration folder are found and read, each once."""

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.yamlfile import Problem

MAIN: Final = "tallystick.yaml"
FOLDERS: Final = {"systems": ".yaml", "syncs": ".yaml", "tables": ".csv"}
_LEFTOVER = re.compile(r"\.|.*(?:~|\.bak|\.swp|\.orig|\.tmp|\.dpkg-\w+|\.rpm\w+)\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_OPEN_IT: Final = "let the daemon's user read it"


@dataclass(frozen=True, slots=True)
class Found:
    """What a configuration folder holds: the bytes of every file by the name that messages give it."""

    contents: Mapping[str, bytes]
    problems: tuple[Problem, ...]

    def within(self, folder: str) -> Mapping[str, bytes]:
        """The files of one folder, by name with folder, in order."""
        return {name: raw for name, raw in self.contents.items() if name.startswith(f"{folder}/")}

    def digest(self) -> str:
        """One digest over names and bytes of all files."""
        whole = hashlib.sha256()
        for name, raw in self.contents.items():
            whole.update(f"{name}\0{len(raw)}\0".encode())
            whole.update(raw)
        return whole.hexdigest()


def find(folder: Path) -> Found:
    """Reads tallystick.yaml, systems/, syncs/ and tables/. Hidden files and what editors leave behind do not count."""
    contents: dict[str, bytes] = {}
    problems: list[Problem] = []
    if (folder / MAIN).is_file():
        _take(folder / MAIN, MAIN, contents, problems)
    else:
        help = "go to the folder that has it, name that with --config, or make one: tallystick init FOLDER"
        if (folder / "tallystick.yml").is_file():
            help = "rename tallystick.yml to tallystick.yaml"
        problems.append(Problem(MAIN, 0, 0, "missing-file", f"there is no {MAIN} in {folder}", help))
    for name, suffix in FOLDERS.items():
        for path in _listed(folder, name, problems):
            _consider(path, f"{name}/{path.name}", suffix, contents, problems)
    return Found(contents, tuple(problems))


def _listed(folder: Path, name: str, problems: list[Problem]) -> list[Path]:
    """The entries of one folder. One that cannot be listed is a fault: it must not look like an empty one."""
    try:
        return sorted((folder / name).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        help = "make it a folder" if isinstance(error, NotADirectoryError) else _OPEN_IT
        problems.append(Problem(f"{name}/", 0, 0, "unreadable", f"cannot be listed: {error.strerror}", help))
        return []


def _consider(path: Path, shown: str, suffix: str, contents: dict[str, bytes], problems: list[Problem]) -> None:
    if _LEFTOVER.match(path.name) or path.is_dir():
        return
    if path.suffix == suffix and not _NAME.match(path.stem):
        help = "use letters, digits, '-' and '_'"
        problems.append(Problem(shown, 0, 0, "bad-name", f"'{path.stem}' is no name for a file here", help))
    elif path.suffix == suffix:
        _take(path, shown, contents, problems)
    elif suffix == ".yaml" and path.suffix in (".yml", ".YAML", ".YML", ".json"):
        text = "only files that end in .yaml are read"
        problems.append(Problem(shown, 0, 0, "wrong-extension", text, f"rename it to {path.stem}.yaml"))


def _take(path: Path, shown: str, contents: dict[str, bytes], problems: list[Problem]) -> None:
    try:
        raw = _content(path)
    except OSError as error:
        help = f"it is a link to {path.readlink()}" if path.is_symlink() else _OPEN_IT
        problems.append(Problem(shown, 0, 0, "unreadable", f"cannot be read: {error.strerror}", help))
        return
    if raw is None:
        problems.append(Problem(shown, 0, 0, "unreadable", "is no plain file", "put a file in its place"))
    else:
        contents[shown] = raw


def _content(path: Path) -> bytes | None:
    """The bytes of a plain file; None for a pipe or a device, which could keep a reload waiting forever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)
