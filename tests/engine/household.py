"""This is where persons get phones: a world whose records have children, in lists or as records of their own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.base import PARENT, Fields
from connectors.drivers.memory import MemoryDriver
from daemon.core.kinship import parent_rule
from daemon.core.rules import Cases, End, Family, Guards, Limit, Match, Nest, Side, Sync
from tests.engine.world import World, rule

OPEN = Guards(creates=Limit(), updates=Limit(), deletes=Limit(), blanked=Limit(), shrink=1.0)
LISTS = {"left": Nest("person", "phones", ("kind",)), "right": Nest("person", "calls.numbers", ("kind",))}
DELETE = Cases(gone_left="delete", gone_right="delete")


def phones(*, native: Mapping[Side, str] | None = None, **more: Any) -> Sync:
    """The phones of a person by kind; *native* sides keep them as records, with the parent at that path."""
    places = native or {}
    nests = {side: nest for side, nest in LISTS.items() if side not in places}
    ends = {
        side: End(system, f"person.{nests[side].path}" if side in nests else "phone")
        for side, system in (("left", "hr"), ("right", "crm"))
    }
    settings: dict[str, Any] = {
        "name": "people.phones",
        "rules": (parent_rule("people", places), rule("kind"), rule("number", wins="ask"), rule("note", wins="left")),
        "match_on": (Match((PARENT, "kind")),),
        "cases": DELETE,
        "guards": OPEN,
        "rev": "1",
        "fingerprint": "1",
        "family": Family("people", {"left": "person", "right": "person"}, nests),
    }
    return Sync(**(settings | ends | more))


def people(*collections: Sync, **more: Any) -> Sync:
    """Persons by name, with *collections*."""
    settings: dict[str, Any] = {
        "name": "people",
        "left": End("hr", "person"),
        "right": End("crm", "person"),
        "rules": (rule("name"), rule("title", wins="left")),
        "match_on": (Match(("name",)),),
        "cases": Cases(gone_left="delete", gone_right="hold"),
        "guards": OPEN,
        "rev": "1",
        "fingerprint": "1",
        "collections": collections or (phones(),),
    }
    return Sync(**(settings | more))


def phone(kind: str, number: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "number": number, **more}


def left(name: str, *members: Fields, **more: Any) -> dict[str, Any]:
    """A person as the left shows it."""
    return {"name": name, "phones": [*members], **more}


def right(name: str, *members: Fields, **more: Any) -> dict[str, Any]:
    """A person as the right shows it: its list lies deeper, beside something that is not ours."""
    return {"name": name, "calls": {"numbers": [*members], "plan": "flat"}, **more}


class Household(World):
    """A world of persons with phones."""

    def __init__(
        self,
        folder: Path,
        left: Mapping[str, Fields] | None = None,
        right: Mapping[str, Fields] | None = None,
        *,
        sync: Sync | None = None,
        **more: Any,
    ) -> None:
        super().__init__(folder, sync=sync or people())
        find = {"person": ("name",), "phone": ("kind", "owner", "person.id")}
        told = {side: more.get(side, {}) for side in ("hr", "crm")}
        self.left = MemoryDriver({"person": left or {}, "phone": {}}, name="hr", find=find, **told["hr"])
        self.right = MemoryDriver({"person": right or {}, "phone": {}}, name="crm", find=find, **told["crm"])
        self.systems: dict[Side, Any] = {}

    @property
    def drivers(self) -> Mapping[Side, Any]:
        return {"left": self.left, "right": self.right} | self.systems

    @property
    def child(self) -> Sync:
        return self.sync.collections[0]

    def put(self, side: Side, name: str, *members: Fields, id: str | None = None, **more: Any) -> str:
        """A new person by a user."""
        shown = left(name, *members, **more) if side == "left" else right(name, *members, **more)
        return self.hands(side).put("person", shown, id)

    def dial(self, side: Side, name: str, *members: Fields) -> None:
        """A user gives a person other phones."""
        fields: dict[str, Any] = {"phones": [*members]} if side == "left" else {"calls": {"numbers": [*members]}}
        self.hands(side).edit("person", self.id(side, name), fields)

    def hands(self, side: Side) -> MemoryDriver:
        return self.left if side == "left" else self.right

    def id(self, side: Side, name: str) -> str:
        """The id of a person."""
        return next(id for id, fields in self.hands(side).records("person").items() if fields["name"] == name)

    def numbers(self, side: Side, name: str) -> dict[str, Any]:
        """The phones of a person by kind, in lists."""
        shown = self.hands(side).records("person")[self.id(side, name)]
        members = shown["phones"] if side == "left" else shown["calls"]["numbers"]
        return {member["kind"]: member["number"] for member in members}

    def both(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.numbers("left", name), self.numbers("right", name)

    def children(self, *states: str) -> list[tuple[Any, ...]]:
        """The pairs of phones."""
        with self.asked_about(self.child):
            return self.pairs(*states)

    @contextmanager
    def asked_about(self, sync: Sync) -> Iterator[None]:
        """The same world, asked about another sync."""
        self.sync, before = sync, self.sync
        try:
            yield
        finally:
            self.sync = before

    def quiet(self) -> None:
        """Neither a look at what changed nor one at everything has anything to write, and nothing waits."""
        for full in (False, True):
            report = self.run(full=full)
            busy = {kind: n for kind, n in report.counts.items() if n and not kind.startswith("read_")}
            assert (report.state, busy.pop("remember", 0) >= 0, busy) == ("done", True, {}), report.lines


def guarded(sync: Sync, guards: Guards) -> Sync:
    """*sync* with its collection under *guards*."""
    (child,) = sync.collections
    return replace(sync, collections=(replace(child, guards=guards),))
