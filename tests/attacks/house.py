"""This is where an attack finds its victim: a real configuration of two syncs, one to be hurt and one to go on.

`people` keeps the SQLite table of `hr` and some other system in step; `bystanders` a CSV and a file of JSON lines.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from daemon.admin.operations import Operations
from daemon.audit.verify import verify_log
from daemon.service import foreground

Row: TypeAlias = tuple[Any, ...]

MAIN = "version: 1\nnode: victim\nlog: {level: warning}\n"
HR = """\
version: 1
name: hr
connector: sql
type: hr
path: hr.db
timeout: 1s
entities: {person: {table: person, key: [id]}}
"""
STAFF = """\
version: 1
name: staff
connector: csv
type: hr
folder: .
entities: {person: {path: staff.csv, key: [number]}}
"""
PHONEBOOK = """\
version: 1
name: phonebook
connector: jsonl
type: directory
folder: .
entities: {person: {path: phonebook.jsonl, format: jsonl, key: [id]}}
"""
BYSTANDERS = """\
version: 1
name: bystanders
left: {system: staff, entity: person}
right: {system: phonebook, entity: person}
manual: true
match_on: [[number]]
fields:
  number: {left: number, right: id, owner: left}
  name: {left: name, right: name, wins: left}
"""
CRM = """\
version: 1
name: crm
connector: rest
type: crm
base_url: %s
retry: {within: 300ms, first: 20ms}
timeout: {connect: 2s, read: 2s, total: 4s}
breaker: {failures: 50, recovery: 100ms, successes: 1}
entities:
  person:
    id: id
    version: {path: rev}
    read:
      list: {get: /people, records: items, page: {cursor: next, param: after}}
      get: {get: "/people/{id}"}
      find: {get: /people, by: [email], records: items, page: {cursor: next, param: after}}
    write:
      create: {post: /people, body: "{fields}", record: "@"}
      update: {patch: "/people/{id}", precondition: {header: If-Match}, record: "@"}
      delete: {delete: "/people/{id}"}
    capabilities: {processing_window: 0s}
"""
PEOPLE = """\
version: 1
name: people
left: {system: hr, entity: person}
right: {system: crm, entity: person}
manual: true
match_on: [[email]]
fields:
  email: {left: email, right: email, normalise: [trim, casefold], wins: left}
  name: {left: name, right: name, wins: left}
  phone: {left: phone, right: phone, wins: right}
cases: {gone_left: delete, new_right: create}
guards: {creates: 1000, updates: 100%}
"""
ASK = {"actor": "uid:1000", "reason": "test"}


class House:
    """One configuration folder and what is in its systems."""

    def __init__(self, folder: Path, *, crm: str, people: int = 3) -> None:
        self.folder = folder
        for name in ("systems", "syncs"):
            (folder / name).mkdir(parents=True)
        self.write("tallystick.yaml", MAIN)
        self.write("systems/hr.yaml", HR)
        self.write("systems/staff.yaml", STAFF)
        self.write("systems/phonebook.yaml", PHONEBOOK)
        self.write("systems/crm.yaml", crm)
        self.write("syncs/people.yaml", PEOPLE)
        self.write("syncs/bystanders.yaml", BYSTANDERS)
        self.write("staff.csv", "number,name\n1,Ada\n2,Grace\n")
        self.write("phonebook.jsonl", "")
        with closing(sqlite3.connect(folder / "hr.db")) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT)")
            db.commit()
        self.hire(*range(1, people + 1))

    def write(self, name: str, text: str) -> None:
        """A file of the configuration."""
        (self.folder / name).write_text(text)

    def swap(self, name: str, old: str, new: str) -> None:
        """Another text in a file."""
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def secret(self, name: str, value: str) -> None:
        """A secret, readable by its owner alone."""
        (self.folder / "secrets.d").mkdir(exist_ok=True)
        self.write(f"secrets.d/{name}", value)
        (self.folder / f"secrets.d/{name}").chmod(0o600)

    def sql(self, text: str, *values: Any) -> list[Row]:
        """Somebody at work in hr."""
        with closing(sqlite3.connect(self.folder / "hr.db")) as db, db:
            return db.execute(text, values).fetchall()

    def hire(self, *numbers: int) -> None:
        """Newcomers in hr."""
        for n in numbers:
            self.sql("INSERT INTO person VALUES (?, ?, ?, ?)", n, f"Person {n}", f"p{n}@corp.example", f"+49 30 {n:04}")

    def hr(self) -> list[Row]:
        """Everybody in hr, by address."""
        return sorted(self.sql("SELECT email, name, phone FROM person"), key=repr)

    def phonebook(self) -> dict[str, str]:
        """What the bystanders' right side holds."""
        lines = (self.folder / "phonebook.jsonl").read_text().splitlines()
        return {person["id"]: person["name"] for person in map(json.loads, lines)}

    @contextmanager
    def operations(self) -> Iterator[Operations]:
        """The verbs, as the command line has them without a daemon."""
        with foreground.open(self.folder, os.environ) as operations:
            yield operations

    def run(self, sync: str = "people", *, full: bool = True) -> dict[str, Any]:
        """One run in a process state of its own: opened, run, closed."""
        with self.operations() as operations:
            return run(operations, sync, full=full)

    def adopt(self, *syncs: str) -> None:
        """The first run of each sync, approved."""
        with self.operations() as operations:
            for sync in syncs or ("people", "bystanders"):
                approve(operations, sync)
                assert run(operations, sync)["state"] == "done"

    def the_rest_goes_on(self, name: str = "Grace Hopper") -> None:
        """An edit at the bystanders' arrives, whatever else is broken."""
        lines = (self.folder / "staff.csv").read_text().splitlines()
        self.write("staff.csv", "\n".join([*lines[:-1], f"2,{name}"]) + "\n")
        report = self.run("bystanders")
        assert (report["state"], self.phonebook()["2"]) == ("done", name), report

    def sound_log(self) -> None:
        """The audit log proves itself."""
        assert verify_log(self.folder / "state/audit", now=0).code == 0


def run(operations: Operations, sync: str = "people", *, full: bool = True) -> dict[str, Any]:
    """One run, waited for."""
    return dict(operations.run(sync, full=full, only=None, wait=True, **ASK))


def approve(operations: Operations, sync: str = "people", kinds: Sequence[str] = ()) -> dict[str, Any]:
    """A yes to what is held."""
    return dict(operations.approve(sync, kinds=kinds, only=None, expires=600, **ASK))
