"""This is where the demo's three systems get their people and companies: invented, and the same every time."""

import csv
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from daemon.cli.demo.crm import Crm

EMPLOYEES, MISSING, FREELANCERS, COMPANIES = 120, 12, 12, 24
"""In HR; of those not yet in the CRM; in the CRM only; companies in the CRM. The CRM begins with 120 contacts."""

_FIRST: Final = (
    "Ada", "Alan", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Jürgen", "Katherine",
)  # fmt: skip
_LAST: Final = ("Ito", "Novák", "Okafor", "Müller", "O'Brien", "Rossi", "Silva", "Sørensen", "Tanaka", "Weiß")
_PLAIN: Final = str.maketrans({"ü": "ue", "ß": "ss", "á": "a", "ø": "oe", "'": ""})
_DEPARTMENTS: Final = ("Research", "Sales", "Finance", "Support")
_TITLES: Final = ("Engineer", "Analyst", "Consultant", "Lead", "Assistant")
_TRADES: Final = ("Bakery", "Boats", "Books", "Bricks", "Cables", "Clocks", "Coffee", "Glass")
_TOWNS: Final = ("Aarhus", "Brno", "Cork")

TABLE: Final = """
CREATE TABLE employee (
    id          TEXT PRIMARY KEY,
    first_name  TEXT NOT NULL,
    last_name   TEXT NOT NULL,
    email       TEXT,
    phone       TEXT,
    title       TEXT,
    department  TEXT,
    grade       TEXT
)
"""


@dataclass(frozen=True, slots=True)
class Employee:
    """One person as HR knows them."""

    id: str
    first_name: str
    last_name: str
    email: str
    phone: str | None
    title: str
    department: str
    grade: str

    def row(self) -> tuple[Any, ...]:
        """As the table holds it."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def contact(self) -> dict[str, Any]:
        """As the CRM would know them."""
        level = {"A": "junior", "B": "senior", "C": "principal"}[self.grade]
        return {
            "employee_no": self.id,
            "email": self.email,
            "name": f"{self.first_name} {self.last_name}",
            "phone": self.phone,
            "title": self.title,
            "department": self.department,
            "level": level,
            "type": "staff",
        }


def employee(number: int) -> Employee:
    """The person of this number."""
    first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST) % len(_LAST)]
    return Employee(
        id=f"E-{1001 + number}",
        first_name=first,
        last_name=last,
        email=f"{first}.{last}{number}@corp.example".translate(_PLAIN).lower(),
        phone=f"+49 30 55{number:05d}",
        title=_TITLES[number % len(_TITLES)],
        department=_DEPARTMENTS[number % len(_DEPARTMENTS)],
        grade="ABC"[number % 3],
    )


def seed(folder: Path, crm: Crm) -> None:
    """Fills all three systems."""
    everybody = [employee(number) for number in range(EMPLOYEES)]
    seed_hr(folder / "hr.db", everybody)
    seed_crm(crm, everybody[: EMPLOYEES - MISSING])
    seed_finance(folder / "finance.csv")


def seed_hr(file: Path, everybody: Sequence[Employee]) -> None:
    """HR: a table in SQLite. Four people never gave their phone number."""
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(TABLE)
        db.executemany("INSERT INTO employee VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [e.row() for e in everybody])
        db.execute("UPDATE employee SET phone = NULL WHERE id IN ('E-1004', 'E-1014', 'E-1024', 'E-1034')")


def seed_crm(crm: Crm, staff: Sequence[Employee]) -> None:
    """The CRM: staff, some of them without their number or phone, and freelancers that HR does not know."""
    for position, person in enumerate(staff):
        crm.collections["contacts"].create({"properties": person.contact() | dict(_neglected(position))})
    for number in range(FREELANCERS):
        mail = f"freelance{number}@elsewhere.example"
        properties = {"email": mail, "name": f"Freelancer {number + 1}", "type": "freelance"}
        crm.collections["contacts"].create({"properties": properties})
    for company in companies():
        known = {"credit_limit": Decimal("1000.50")} if company["account_no"] == "A-5001" else {}
        crm.collections["companies"].create({"properties": company | known})
    crm.save()


def seed_finance(file: Path) -> None:
    """Finance: a CSV of the first companies, with limits that only finance knows, exact to the cent."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["account", "name", "billing_email", "credit_limit", "currency"])
        for number, company in enumerate(companies()):
            if number < COMPANIES - 4:
                limit = Decimal(number + 1) * 1000 + Decimal("0.50")
                writer.writerow([company["account_no"], company["name"], company["billing_email"], limit, "EUR"])


def companies() -> Iterator[dict[str, Any]]:
    """What the CRM knows of companies."""
    for number in range(COMPANIES):
        trade, town = _TRADES[number % len(_TRADES)], _TOWNS[number // len(_TRADES)]
        yield {
            "account_no": f"A-{5001 + number}",
            "name": f"{town} {trade}",
            "billing_email": f"billing@{town}-{trade}.example".lower(),
        }


def make_token(folder: Path) -> str:
    """A new secret by which the CRM knows Tallystick, readable by its owner alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    token = secrets.token_urlsafe(24)
    file = folder / "crm-token"
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(token + "\n")
    return token


def _neglected(position: int) -> Mapping[str, Any]:
    """What nobody ever filled in: every tenth contact has no number, a few no phone."""
    lacking: dict[str, Any] = {}
    if position % 10 == 5:
        lacking["employee_no"] = None
    if position % 25 == 7:
        lacking["phone"] = None
    return lacking
