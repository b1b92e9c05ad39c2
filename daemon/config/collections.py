"""This is where the collections of a sync become agreements of their own, inside the pairs of their parents.

What a person writes about children is completed to a sync `people.phones`: its sides from the parents', and a field
`(parent)` that every match rests on. Its faults are told where they stand in the parents' file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from connectors.base import PARENT
from connectors.paths import Path, PathError, parse
from connectors.yamlfile import Document, Problem, YamlError
from daemon.config.compile import OWNERS, compile_sync, digest
from daemon.config.guard_file import CasesConfig, ChildCasesConfig
from daemon.config.sync_file import ChildEndConfig, CollectionConfig, EndConfig, SyncConfig
from daemon.config.tables import Table
from daemon.core.kinship import parent_rule
from daemon.core.rules import SIDES, Family, Match, Nest, Rule, Side, Sync


@dataclass(frozen=True, slots=True)
class Child:
    """A collection as a sync would be written, and where in its parents' file it stands."""

    config: SyncConfig
    asked: CollectionConfig
    document: Document

    def end(self, side: Side) -> ChildEndConfig:
        """Where *side* keeps the children, as it was written."""
        return self.asked.left if side == "left" else self.asked.right

    @property
    def nested(self) -> tuple[Side, ...]:
        """The sides that keep them in lists."""
        return tuple(side for side in SIDES if self.end(side).at)


def children(parents: SyncConfig, document: Document) -> Iterator[Child]:
    """The collections of a sync, each written out."""
    for name, asked in parents.collections.items():
        direction = asked.direction or parents.direction
        config = SyncConfig.model_construct(
            version=1,
            name=f"{parents.name}.{name}",
            left=_end(parents.left, asked.left),
            right=_end(parents.right, asked.right),
            timezone=parents.timezone,
            direction=direction,
            match_on=asked.match_on,
            fields=asked.fields,
            groups=asked.groups,
            create=asked.create,
            cases=_cases(asked.cases, direction),
            guards=asked.guards,
            allow_duplicate_creates=asked.allow_duplicate_creates,
        )
        yield Child(config, asked, document.within(("collections", name)))


def compile_child(
    child: Child,
    parents: SyncConfig,
    tables: Mapping[str, Table | None],
    syncs: Mapping[str, SyncConfig | None],
) -> Sync:
    """The rules of a collection. Raises YamlError with every fault of it, each at its place."""
    problems = [*_direction(child, parents), *_timeless(child)]
    try:
        sync = compile_sync(child.config, child.document, tables, syncs)
    except YamlError as error:
        raise YamlError([*problems, *error.problems]) from None
    nests = {side: nest for side in child.nested if (nest := _nest(child, parents, sync, side, problems))}
    rule = _parent_rule(child, parents, problems)
    if problems or rule is None:
        raise YamlError(problems)
    return replace(
        sync,
        rules=(rule, *sync.rules),
        match_on=tuple(Match((PARENT, *match.on), match.confirm) for match in sync.match_on),
        family=Family(parents.name, {"left": parents.left.entity, "right": parents.right.entity}, nests),
        fingerprint=f"{sync.fingerprint};whose children they are={digest(child.asked.left, child.asked.right)[:16]}",
    )


def _end(parents: EndConfig, asked: ChildEndConfig) -> EndConfig:
    """One side of the collection. The records of a list are called after it, and shown with their parents."""
    entity = asked.entity or f"{parents.entity}.{asked.at}"
    where = asked.where if asked.entity else parents.where
    return EndConfig.model_construct(system=parents.system, entity=entity, where=where, scope=asked.scope, canary=None)


def _cases(asked: ChildCasesConfig, direction: str) -> CasesConfig:
    """What is taken out of a record is taken out across, unless nothing flows there."""
    gone = {
        "gone_left": asked.gone_left or ("hold" if direction == "right_to_left" else "delete"),
        "gone_right": asked.gone_right or ("hold" if direction == "left_to_right" else "delete"),
    }
    return CasesConfig.model_validate(asked.model_dump(exclude=set(gone)) | gone)


def _direction(child: Child, parents: SyncConfig) -> Iterator[Problem]:
    """A collection that flows where its parents do not: nobody would be created there to hold the children."""
    if parents.direction != "both" and child.config.direction != parents.direction:
        text = f"the children go {child.config.direction}, and their parents {parents.direction}"
        yield child.document.problem(("direction",), "contradiction", text, "leave it out")


def _timeless(child: Child) -> Iterator[Problem]:
    """Fields that go by the newest record where records are parts of others, which tell no time of their own."""
    for name, line in child.config.fields.items():
        for key in ("wins", "first"):
            if getattr(line, key) == "newest" and child.nested:
                text = (
                    f"nobody is the newest: the members of `{child.end(child.nested[0]).at}` have no times of their own"
                )
                yield child.document.problem(("fields", name, key), "untrusted-times", text, "write left, right or ask")


def _nest(child: Child, parents: SyncConfig, sync: Sync, side: Side, problems: list[Problem]) -> Nest | None:
    """The list in which one side keeps the children."""
    asked = child.end(side)
    assert asked.at
    if _plain(child, asked.at, _way(child, side, "at"), problems) is None:
        return None
    for n, text in enumerate(asked.id):
        _plain(child, text, (side, "id", n), problems)
    key = asked.id or _match_paths(sync, side)
    if not key:
        text = f"by what the members of `{asked.at}` are known cannot be told from match_on"
        help = f"write `{side}: {{at: {asked.at}, id: [PATH]}}`"
        problems.append(child.document.problem((side,), "contradiction", text, help))
        return None
    return Nest(parents.left.entity if side == "left" else parents.right.entity, asked.at, key)


def _match_paths(sync: Sync, side: Side) -> tuple[str, ...]:
    """Where the fields of the first alternative lie on *side*; nothing where one is no plain path."""
    lenses = [sync.rule(name).lens(side) for name in sync.match_on[0].on] if sync.match_on else []
    paths = [lens.path for lens in lenses if lens and lens.path]
    return tuple(path.text for path in paths) if len(paths) == len(lenses) and all(p.plain for p in paths) else ()


def _plain(child: Child, text: str, way: Sequence[str | int], problems: list[Problem]) -> Path | None:
    try:
        path = parse(text)
    except PathError as fault:
        problems.append(child.document.problem(way, "mapping", f"'{text}' is not a path: {fault}"))
        return None
    if path.plain is None:
        problems.append(
            child.document.problem(way, "mapping", f"'{text}' leads into a list", "name a place outside of any list")
        )
    return path


def _way(child: Child, side: Side, key: str) -> tuple[str, ...]:
    return (side, key) if child.document.holds((side, key)) else (side,)


def _parent_rule(child: Child, parents: SyncConfig, problems: list[Problem]) -> Rule | None:
    """The shared field that says whose child a record is."""
    places = {side: text for side in SIDES if (text := child.end(side).parent)}
    found = [_plain(child, text, (side, "parent"), problems) for side, text in places.items()]
    if not all(found):
        return None
    return parent_rule(parents.name, places, owner=OWNERS[child.config.direction])
