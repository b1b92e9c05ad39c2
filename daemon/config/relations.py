"""This is where fields that are relations are held against what the entity of their side declares."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.definition import Facts
from connectors.paths import Path, PathError, parse
from connectors.yamlfile import Document, Loc, Problem, did_you_mean
from daemon.config.field_file import FieldConfig, Side
from daemon.config.sync_file import SyncConfig
from daemon.config.systems import SystemConfig


def relation_problems(document: Document, config: SyncConfig, systems: Mapping[str, SystemConfig]) -> Iterator[Problem]:
    """Fields such as "@groups" that the entity does not have, or that nobody may write; and filters by them."""
    yield from _filters(document, config)
    for name, line in config.fields.items():
        for side, place in (("left", line.left), ("right", line.right)):
            path = _path(place.write or place.path) if place else None
            if path is None or path.relation is None:
                continue
            way: Loc = ("fields", name, side)
            end = config.left if side == "left" else config.right
            system = systems.get(end.system)
            if system and end.entity in system.entities:
                facts = system.entities[end.entity]
                faults = [
                    *_fault(document, way, path.relation, f"{end.system}.{end.entity}", facts, system),
                    *_unwritten(document, way, path.relation, facts, _written(config, line, side)),
                ]
                yield from faults or _not_a_set(document, way, path.relation, line)


def _filters(document: Document, config: SyncConfig) -> Iterator[Problem]:
    """No system is asked who is related to whom."""
    for side, end in (("left", config.left), ("right", config.right)):
        for text in end.where:
            if (path := _path(text)) and path.relation:
                says = f"'@{path.relation}' is a relation, and `where` compares single values"
                help = f"""write it into `scope`: 'contains("@{path.relation}", `"NAME"`)'"""
                yield document.problem((side, "where", text), "relation", says, help, True)


def _fault(
    document: Document, way: Loc, name: str, entity: str, facts: Facts, system: SystemConfig
) -> Iterator[Problem]:
    known = getattr(facts, "relations", None)
    if known is None:
        text = f"'@{name}' is a relation, and {entity} has none: '{system.definition.driver}' knows no relations"
        yield document.problem(way, "unknown-relation", text, "name a list of the record by its path instead")
    elif name not in known:
        text = f"{entity} has no relation '{name}'"
        help = did_you_mean(name, known) or f"give the entity `relations: {{{name}: ...}}` in {system.file}"
        yield document.problem(way, "unknown-relation", text, help)


def _unwritten(document: Document, way: Loc, name: str, facts: Facts, written: bool) -> Iterator[Problem]:
    known = getattr(facts, "relations", None) or {}
    relation: Any = known[name] if isinstance(known, Mapping) and name in known else None
    missing = [verb for verb in ("add", "remove") if relation and getattr(relation, verb, name) is None]
    if written and missing:
        text = f"'@{name}' can be read and not written: its relation has no {' and no '.join(missing)}"
        yield document.problem(way, "read-only", text, f"add `owner: {way[-1]}`, or say how it is done")


def _not_a_set(document: Document, way: Loc, name: str, line: FieldConfig) -> Iterator[Problem]:
    if not (line.merge or line.birth):
        text = f"'@{name}' is a list whose members come and go one by one, and not one value"
        yield document.problem(way, "not-a-set", text, "add `merge: set`, or `merge: add_only`")


def _written(config: SyncConfig, line: FieldConfig, side: str) -> bool:
    owner: Side | None = {"left_to_right": "left", "right_to_left": "right"}.get(config.direction, line.owner)  # type: ignore[assignment]  # its own words
    return owner != side


def _path(text: str) -> Path | None:
    try:
        return parse(text)
    except PathError:
        return None  # an expression, or a fault that is told elsewhere
