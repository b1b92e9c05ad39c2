"""This is where the demo's story is written: what people do, what Tallystick does about it, and the proof of each.

Every chapter checks what it says at the systems themselves; a story that is not true ends with exit code 1.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from daemon.cli.demo.seed import COMPANIES, EMPLOYEES, MISSING, Employee, employee
from daemon.cli.demo.stage import Stage

GUARDED, CLASH, DEGRADED = 5, 4, 1
WINDOW: Final = 3.0
"""Seconds after which the CRM cannot be at work on a lost request; configs/systems/democrm.yaml says 2."""
_NEW: Final = 8
"""Colleagues who begin on the day of the power cut."""


def first_plan(stage: Stage) -> None:
    """Three systems that do not know each other"""
    staff = len(stage.staff())
    stage.teller.say(f"HR has {EMPLOYEES} employees in SQLite, the CRM {staff} of them over HTTP, finance a CSV.")
    stage.tallystick("check", "--connect")
    pid = stage.start_daemon()
    stage.teller.say(f"The daemon runs as process {pid}. A new sync writes nothing until somebody has seen its plan:")
    stage.tallystick("adopt", "people")
    stage.tallystick("run", "people", expect=GUARDED, longest=2)
    stage.prove(len(stage.staff()) == staff, "nothing was written before the plan was approved")


def first_sync(stage: Stage) -> None:
    """The plan is approved, and comes true"""
    for sync in ("people", "accounts"):
        stage.tallystick("approve", sync, "--reason", "looked at the census")
        stage.tallystick("run", sync, longest=2)
    stage.prove(len(stage.staff()) == EMPLOYEES, f"{MISSING} contacts were created, and only those")
    stage.prove(in_step(stage), f"all {EMPLOYEES} people say the same on both sides, field by field")
    accounts = stage.accounts()
    stage.prove(len(accounts) == COMPANIES, "finance has the four companies that it did not know")
    limit = stage.company("A-5020")["properties"]["credit_limit"]
    stage.prove(limit == Decimal("20000.50"), f"the CRM has finance's credit limits, exact: {limit}")
    stage.tallystick("plan", "people")
    stage.prove(not _planned(stage), "a second run would write nothing")


def both_directions(stage: Stage) -> None:
    """An edit on each side"""
    stage.teller.say("HR: E-1010 has a new phone. CRM: E-1021 was promoted.")
    stage.hr("UPDATE employee SET phone = '+49 30 777001' WHERE id = 'E-1010'")
    stage.edit_contact("E-1021", title="Director")
    stage.tallystick("plan", "people")
    stage.tallystick("run", "people", longest=2)
    stage.prove(stage.contact("E-1010")["properties"]["phone"] == "+4930777001", "the CRM has the phone")
    stage.prove(_hr_value(stage, "E-1021", "title") == "Director", "HR has the title")
    stage.teller.say("Finance raises a credit limit in its CSV; sales renames the same company in the CRM.")
    stage.edit_finance(",2000.50,", ",12345678901234567.89,")
    stage.edit_company("A-5002", name="Brno Boats International")
    stage.tallystick("run", "accounts", longest=6)
    stage.prove(stage.accounts()["A-5002"]["name"] == "Brno Boats International", "finance has the name")
    limit = stage.company("A-5002")["properties"]["credit_limit"]
    stage.prove(limit == Decimal("12345678901234567.89"), f"the CRM has the limit, to the cent: {limit}")


def merged(stage: Stage) -> None:
    """One person edited on both sides, in different fields"""
    stage.teller.say("E-1033: HR changes the department while sales corrects the phone in the CRM.")
    stage.hr("UPDATE employee SET department = 'Board' WHERE id = 'E-1033'")
    stage.edit_contact("E-1033", phone="+49 30 888002")
    stage.tallystick("run", "people", longest=6)
    stage.prove(stage.contact("E-1033")["properties"]["department"] == "Board", "the CRM has the department")
    stage.prove(_hr_value(stage, "E-1033", "phone") in ("+49 30 888002", "+4930888002"), "HR has the phone")


def clash(stage: Stage) -> None:
    """The same field edited on both sides: nobody guesses"""
    stage.teller.say("E-1042: HR says Lead, the CRM says Architect.")
    stage.hr("UPDATE employee SET title = 'Lead', phone = '+49 30 999003' WHERE id = 'E-1042'")
    stage.edit_contact("E-1042", title="Architect")
    stage.tallystick("run", "people", expect=CLASH, longest=6)
    stage.prove(stage.contact("E-1042")["properties"]["title"] == "Architect", "neither title was overwritten")
    stage.prove(stage.contact("E-1042")["properties"]["phone"] == "+4930999003", "the phone flowed nevertheless")
    stage.tallystick("conflicts", "people")
    stage.tallystick("why", "people", "E-1042")
    stage.tallystick("conflicts", "resolve", "people", "E-1042", "--take", "right", "--reason", "asked her")
    stage.tallystick("run", "people", longest=2)
    stage.prove(_hr_value(stage, "E-1042", "title") == "Architect", "HR has what the person decided")


def mass_delete(stage: Stage) -> None:
    """Somebody deletes far too much"""
    stage.teller.say("A script at HR deletes ten people by mistake.")
    lost = stage.hr("SELECT * FROM employee WHERE id BETWEEN 'E-1050' AND 'E-1059'")
    stage.hr("DELETE FROM employee WHERE id BETWEEN 'E-1050' AND 'E-1059'")
    text = stage.tallystick("run", "people", expect=GUARDED, longest=4)
    stage.prove("--kind deletes" in text, "the guard says how many, how many are allowed, and how to approve them")
    stage.prove(len(stage.staff()) == EMPLOYEES, "nobody was deleted in the CRM")
    stage.teller.say("Had it been meant, `tallystick approve people --kind deletes` would let it through.")
    stage.teller.say("It was not: HR restores its backup.")
    for row in lost:
        stage.hr("INSERT INTO employee VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row)
    stage.tallystick("run", "people", longest=2)
    stage.prove(in_step(stage), "both sides are as before")


def bad_config(stage: Stage) -> None:
    """A configuration with a typo"""
    file = stage.folder / "syncs" / "people.yaml"
    good = file.read_text("utf-8")
    stage.teller.say("Somebody types `wins: lefft` and reloads.")
    file.write_text(good.replace("type: email, wins: left", "type: email, wins: lefft"), "utf-8")
    text = stage.tallystick("reload", expect=1)
    stage.prove("syncs/people.yaml:" in text and "^" in text, "the answer names file, line and column")
    stage.tallystick("status", expect=DEGRADED, longest=3)
    stage.hr("UPDATE employee SET title = 'Founder' WHERE id = 'E-1001'")
    stage.tallystick("run", "people", longest=2)
    stage.prove(stage.contact("E-1001")["properties"]["title"] == "Founder", "the old configuration goes on working")
    file.write_text(good, "utf-8")
    stage.tallystick("reload")


def power_cut(stage: Stage) -> None:
    """kill -9 in the middle of a run"""
    stage.teller.say(f"{_NEW} colleagues begin. The CRM creates the third, and its answer never arrives: kill -9.")
    newcomers = [employee(EMPLOYEES + number) for number in range(_NEW)]
    for person in newcomers:
        stage.hr("INSERT INTO employee VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *person.row())
    stage.crm.faults.set({"swallow_create": 3})
    stage.tallystick("run", "people", "--no-wait")
    stage.wait_until(lambda: not stage.crm.faults.answering.is_set(), "the swallowed answer")
    lost = time.monotonic()
    stage.kill_daemon()
    stage.crm.faults.set({})
    born = len(stage.staff()) - EMPLOYEES
    stage.teller.say(f"The daemon is dead; {born} of {_NEW} are in the CRM, and nobody was told about the third.")
    stage.prove(0 < born < _NEW, "the run was really cut in the middle")
    pid = stage.start_daemon()
    stage.teller.say(f"A new daemon, process {pid}. It looks what became of the open writes before it writes again.")
    time.sleep(max(0.0, lost + WINDOW - time.monotonic()))
    stage.tallystick("run", "people", longest=2)
    stage.prove(_once(stage, newcomers), f"each of the {_NEW} is in the CRM exactly once")
    stage.prove(in_step(stage), "both sides are in step again")


def proof(stage: Stage) -> None:
    """The audit log proves it"""
    stage.tallystick("audit", "show", "--record", "E-1042", "--limit", "3", longest=6)
    stage.tallystick("audit", "verify")
    copy = stage.folder / "audit-copy"
    shutil.copytree(stage.folder / "state" / "audit", copy)
    segment = max((copy / "seg").glob("*"), key=lambda path: path.stat().st_size)
    _flip(segment)
    stage.teller.say(f"In a copy, one bit of {segment.name} is flipped:")
    text = stage.tallystick("audit", "verify", "--log", str(copy), expect=1)
    stage.prove("DAMAGED" in text and segment.name in text, "the flipped bit was found, with its place")


CHAPTERS: Final[tuple[Callable[[Stage], None], ...]] = (
    first_plan, first_sync, both_directions, merged, clash, mass_delete, bad_config, power_cut, proof,
)  # fmt: skip


def tell(stage: Stage) -> None:
    """The whole story. Raises FalseStory at the first thing that is not true."""
    for chapter in CHAPTERS:
        stage.teller.chapter((chapter.__doc__ or "").strip())
        chapter(stage)


def in_step(stage: Stage) -> bool:
    """Whether HR and the CRM say the same of everybody, compared without Tallystick."""
    rows = stage.hr("SELECT id, first_name, last_name, email, phone, title, department, grade FROM employee")
    contacts = {r["properties"].get("employee_no"): r["properties"] for r in stage.staff()}
    return len(contacts) == len(rows) and all(
        _same(Employee(*row).contact(), contacts.get(row[0], {})) for row in rows
    )  # fmt: skip


def _same(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    return all(_plain(value) == _plain(theirs.get(name)) for name, value in mine.items())


def _plain(value: Any) -> Any:
    """Phone numbers may be written with blanks or without."""
    return value.replace(" ", "") if isinstance(value, str) else value


def _hr_value(stage: Stage, id: str, column: str) -> Any:
    return stage.hr(f"SELECT {column} FROM employee WHERE id = ?", id)[0][0]  # noqa: S608  # names are ours


def _planned(stage: Stage) -> list[Any]:
    report = stage.ask().plan("people", full=True, actor="demo")
    return [line for line in report["lines"] if line.get("changes")]


def _once(stage: Stage, newcomers: list[Employee]) -> bool:
    numbers = [record["properties"].get("employee_no") for record in stage.staff()]
    return all(numbers.count(person.id) == 1 for person in newcomers) and len(numbers) == EMPLOYEES + _NEW


def _flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
