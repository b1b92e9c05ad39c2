"""This is where files are held against each other: what a sync names must exist, and no two may write one place."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from connectors.paths import Key, Selector, parse
from connectors.yamlfile import Document, Problem, did_you_mean
from daemon.config.sync_file import SyncConfig
from daemon.config.systems import SystemConfig
from daemon.core.births import born_on
from daemon.core.rules import SIDES, Side, Sync

Segments: TypeAlias = tuple[Key | Selector, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sync writes one path of one entity."""

    document: Document
    sync: str
    field: str
    side: Side
    text: str

    @property
    def way(self) -> tuple[str, ...]:
        """The place in the file; of a whole list, the side of the collection."""
        return ("fields", self.field, self.side) if self.field else (self.side,)

    def place(self) -> str:
        """Where the claim is made."""
        mark = self.document.at(self.way)
        return f"{self.document.file}:{mark.line}:{mark.column}"


def end_problems(
    document: Document,
    config: SyncConfig,
    systems: Mapping[str, SystemConfig],
    broken: Collection[str],
    *,
    nested: Collection[Side] = (),
) -> Iterator[Problem]:
    """Ends whose system or entity does not exist. Systems in *broken* have faults of their own.

    For a collection, *nested* sides have no entity, and a system that does not exist is told of its parents.
    """
    for side in SIDES:
        end = config.left if side == "left" else config.right
        if end.system in broken or side in nested:
            continue
        system = systems.get(end.system)
        if system is None and not document.holds((side, "system")):
            continue  # told of the parents
        if system is None:
            text = f"there is no system '{end.system}'; put it into systems/{end.system}.yaml"
            yield document.problem((side, "system"), "unknown-system", text, _with_file(end.system, systems))
        elif end.entity not in system.entities:
            text = f"the system '{end.system}' ({system.file}) has no entity '{end.entity}'"
            help = did_you_mean(end.entity, system.entities) or f"it has {', '.join(system.entities) or 'none'}"
            yield document.problem((side, "entity"), "unknown-entity", text, help)
    for name, line in config.fields.items():
        asked = systems.get(line.ref.system) if line.ref and line.ref.system else None
        if line.ref and asked and line.ref.entity not in asked.entities:
            text = f"the system '{line.ref.system}' ({asked.file}) has no entity '{line.ref.entity}'"
            near = did_you_mean(str(line.ref.entity), asked.entities)
            yield document.problem(("fields", name, "ref", "entity"), "unknown-entity", text, near)
    if (config.left.system, config.left.entity) == (config.right.system, config.right.entity):
        yield document.problem(("right",), "contradiction", "both sides are the same entity of the same system")


def untimed(document: Document, config: SyncConfig, systems: Mapping[str, SystemConfig]) -> Iterator[Problem]:
    """Fields that go by the newest record between systems of which one tells no trustworthy time."""
    ends = ((side, config.left if side == "left" else config.right) for side in SIDES)
    facts = {side: (end, system.entities[end.entity]) for side, end in ends
             if (system := systems.get(end.system)) and end.entity in system.entities}  # fmt: skip
    for name, line in config.fields.items():
        for key in ("wins", "first"):
            if getattr(line, key) != "newest":
                continue
            for side, (end, entity) in facts.items():
                if not getattr(getattr(entity, "capabilities", entity), "times_trusted", None):
                    text = (
                        f"nobody is the newest: {end.system}.{end.entity} ({side}) does not promise trustworthy times"
                    )
                    help = "write left, right or ask; or, if its version is a time, say `times_trusted: true` there"
                    yield document.problem(("fields", name, key), "untrusted-times", text, help)


def double_writers(syncs: Sequence[tuple[Document, Sync]]) -> Iterator[Problem]:
    """Places that two fields write, in one sync or in two: they would undo each other's work forever."""
    claims: dict[tuple[str, ...], dict[Segments, Claim]] = {}
    above: dict[tuple[str, ...], dict[Segments, Claim]] = {}
    for document, sync in syncs:
        for side, segments, claim in (*_claims(document, sync), *_lists(document, sync)):
            entity = _written(sync, side, claim)
            held, inside = claims.setdefault(entity, {}), above.setdefault(entity, {})
            ways = [segments[:n] for n in range(1, len(segments) + 1)]
            rival = next((held[way] for way in ways if way in held), None) or inside.get(segments)
            if rival:
                yield _rivalry(claim, rival, ".".join(entity[:2]))
                continue
            held[segments] = claim
            for way in ways[:-1]:
                inside.setdefault(way, claim)


def _claims(document: Document, sync: Sync) -> Iterator[tuple[Side, Segments, Claim]]:
    for rule in sync.rules:
        for side in SIDES:
            lens = rule.lens(side)
            if lens and lens.path and lens.write and rule.owner != side:
                yield side, lens.path.segments, Claim(document, sync.name, rule.name, side, lens.path.text)
    for side in SIDES:
        for birth in born_on(sync, side):
            if (lens := birth.rule.lens(side)) and lens.path:
                yield side, lens.path.segments, Claim(document, sync.name, birth.rule.name, side, lens.path.text)


def _written(sync: Sync, side: Side, claim: Claim) -> tuple[str, ...]:
    """Of which records *claim* is a place. Who shares a list is told once, not for each field of its members."""
    end, nest = sync.end(side), sync.family.nests.get(side) if sync.family else None
    if nest is None:
        return end.system, end.entity
    return (end.system, end.entity, sync.name) if claim.field else (end.system, nest.entity)


def _lists(document: Document, sync: Sync) -> Iterator[tuple[Side, Segments, Claim]]:
    """The lists that a collection writes, each whole."""
    written = {side for side, _, _ in _claims(document, sync)}
    for side, nest in sync.family.nests.items() if sync.family else ():
        if side in written:
            yield side, parse(nest.path).segments, Claim(document, sync.name, "", side, nest.path)


def _rivalry(claim: Claim, rival: Claim, entity: str) -> Problem:
    whose = f"field '{rival.field}'" if rival.sync == claim.sync and rival.field else f"sync '{rival.sync}'"
    text = f"'{claim.text}' of {entity} is written by {whose} too ({rival.place()})"
    help = f"only one of them may: add `owner: {claim.side}` to the other, or leave it out"
    if not (claim.field and rival.field):
        help = "only one of them may: a list is written whole, so it belongs to one collection"
    return claim.document.problem(claim.way, "two-writers", text, help)


def _with_file(name: str, systems: Mapping[str, SystemConfig]) -> str | None:
    near = did_you_mean(name, systems)
    return near and f"{near[:-1]} ({systems[near.split(chr(39))[1]].file})?"
