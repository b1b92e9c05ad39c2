"""This is where a fault of a file gets its place, its words and its picture, with secrets blackened."""

import re
from dataclasses import dataclass

_SECRET_KEY = re.compile(r"(?i)(?:pass(?:wor[dt]|wd|phrase)?|pwd|token|secret|apikey|api_key|private_key|access_key)\Z")
_KEY_AND_VALUE = re.compile(r"""(?P<key>[\w-]+)["']?\s*:\s+(?P<value>[^\s{|>*&].*)""")
_FLOW_VALUE = re.compile(r""""(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|[^,}]*""")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_SHOWN = 160  # characters of a source line that a problem shows


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to point at, counted from 1."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where it is, what is wrong, and what to do. Line 0 means the file as a whole.

    *line* and *column* count from 1; *width* is how many characters the carets underline.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    help: str | None = None
    source: str = ""
    width: int = 1

    def render(self) -> str:
        """The text for a person: the place, the source line, carets, and the remedy beside them."""
        if not self.line:
            remedy = f"\n  {self.help}" if self.help else ""
            return f"{self.file}: error[{self.code}]: {self.message}{remedy}"
        head = f"{self.file}:{self.line}:{self.column}: error[{self.code}]: {self.message}"
        number = str(self.line)
        cut = max(0, self.column - 1 - _SHOWN // 2) if len(self.source) > _SHOWN else 0
        shown = self.source[cut : cut + _SHOWN]
        carets = " " * (self.column - 1 - cut) + "^" * max(1, min(self.width, _SHOWN // 2))
        remedy = f" {self.help}" if self.help else ""
        return f"{head}\n  {number} | {shown}\n  {' ' * len(number)} | {carets}{remedy}"


class YamlError(Exception):
    """A file cannot be used. `problems` holds every fault that was found in it, root causes first."""

    def __init__(self, problems: tuple[Problem, ...] | list[Problem]) -> None:
        super().__init__("\n".join(problem.render() for problem in problems))
        self.problems = tuple(problems)


def split_lines(text: str) -> list[str]:
    """*text* line by line, as YAML counts lines."""
    return _BREAK.split(text)


def problem_at(file: str, text: str, mark: Mark, code: str, message: str, help: str | None = None) -> Problem:
    """A problem at *mark* of a file, with its source line."""
    lines = split_lines(text)
    source = lines[mark.line - 1] if mark.line <= len(lines) else ""
    shown = blacken(source.replace("\t", " ").rstrip())
    return Problem(file, mark.line, mark.column, code, message, help, shown, mark.width)


def names_a_secret(key: str) -> bool:
    """Whether a key of this name usually has a secret for its value: password, api_key, client_secret."""
    return key != "secret" and bool(_SECRET_KEY.search(key))  # `secret: NAME` is a reference


def blacken(line: str) -> str:
    """*line* with the literal values of keys such as `password` covered, at unchanged columns."""
    at = 0
    while found := _KEY_AND_VALUE.search(line, at):
        at = found.start("value")
        if names_a_secret(found["key"]):
            end = _end_of_value(line, at)
            line = line[:at] + "*" * (end - at) + line[end:]
            at = end
    return line


def _end_of_value(line: str, start: int) -> int:
    if "{" not in line[:start]:
        return len(line)
    found = _FLOW_VALUE.match(line, start)
    return found.end() if found else len(line)
