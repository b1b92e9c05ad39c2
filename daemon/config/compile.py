"""This is where a sync as a person wrote it becomes the agreement that the engine keeps: core.rules.Sync."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from connectors.paths import Path, PathError, parse, patch
from connectors.yamlfile import Document, Loc, Problem, YamlError, did_you_mean
from daemon.config.field_file import FieldConfig, LookupConfig, PlaceConfig
from daemon.config.guard_file import CasesConfig
from daemon.config.guarding import compile_guards
from daemon.config.ref import compile_ref
from daemon.config.sync_file import EndConfig, SyncConfig
from daemon.config.tables import Table, TableError
from daemon.core.births import compile_birth
from daemon.core.mapping import Lookup, MappingError, Place, Question, compile_rule, question
from daemon.core.rules import Asked, Birth, Canary, Cases, End, Ending, Guards, Match, Rule, Side, Sync
from daemon.core.types import Form

_JSON = msgspec.json.Encoder(decimal_format="number", order="sorted")
OWNERS: Mapping[str, Side | None] = {"both": None, "left_to_right": "left", "right_to_left": "right"}
"""Who decides about every field of a sync that goes one way."""


def compile_sync(
    config: SyncConfig, document: Document, tables: Mapping[str, Table | None], syncs: Mapping[str, SyncConfig | None]
) -> Sync:
    """The rules of *config*. Raises YamlError with every fault of its mapping, each at its place in *document*.

    A table or another sync that is None has faults of its own.
    """
    return _Compiler(config, document, tables, syncs).sync()


class _Compiler:
    """One sync on its way, and the problems met so far."""

    def __init__(
        self,
        config: SyncConfig,
        document: Document,
        tables: Mapping[str, Table | None],
        syncs: Mapping[str, SyncConfig | None],
    ) -> None:
        self.config, self.document, self.tables, self.syncs = config, document, tables, syncs
        self.owner = OWNERS[config.direction]
        self.problems: list[Problem] = []

    def sync(self) -> Sync:
        """The whole agreement."""
        config = self.config
        lines = {name: line for name, line in config.fields.items() if not line.birth}
        rules = tuple(rule for name, line in lines.items() if (rule := self.rule(name, line)))
        births = self.births()
        self.names()
        self.one_mind({rule.name: rule for rule in rules})
        when = self.question(("create", "when"), config.create.when)
        scopes = {side: self.question((side, "scope"), end.scope) for side, end in self.ends().items()}
        over = self.question(("end", "when"), config.end.when) if config.end else None
        urgent = self.question(("urgent",), config.urgent)
        about: Side = (config.end and config.end.side) or ("right" if self.owner == "right" else "left")
        questions = [asked for asked in (when, over, urgent, *scopes.values()) if asked]
        sync = Sync(
            name=config.name,
            left=self.end("left", scopes["left"]),
            right=self.end("right", scopes["right"]),
            rules=rules,
            births=births,
            match_on=tuple(Match(match.on, match.confirm) for match in config.match_on),
            groups=dict(config.groups),
            cases=self.cases(config.cases),
            guards=self.guards(),
            birth={"left": self.birth("left", config.create.left), "right": self.birth("right", config.create.right)},
            create_when=when.holds if when else None,
            create_paths=when.paths if when else (),
            allow_duplicate_creates=config.allow_duplicate_creates,
            ending=Ending(Asked(about, over.holds, over.paths), config.end.do) if over and config.end else None,
            urgent=Asked(about, urgent.holds, urgent.paths) if urgent else None,
            calendar=any(asked.calendar for asked in questions),
            zone=config.timezone or "UTC",
            zones=frozenset[str]().union(*(asked.zones for asked in questions)),
            rev=";".join(part for name, line in sorted(lines.items()) for part in _meanings(name, line)),
            outlook=digest(self.outlook()),
            fingerprint=_fingerprint(config),
        )
        if self.problems:
            raise YamlError(self.problems)
        return sync

    def rule(self, name: str, line: FieldConfig) -> Rule | None:
        """One shared field, or None after a fault."""
        way = ("fields", name)
        owner = line.owner or self.owner
        if self.owner and line.owner not in (None, self.owner):
            text = f"'{line.owner}' cannot own a field of a sync that goes {self.config.direction}"
            self.problem((*way, "owner"), "contradiction", text, "write `direction: both`")
            return None
        try:
            return compile_rule(
                name,
                left=_place(line.left),
                right=_place(line.right),
                type=line.type,
                region=line.region,
                values=line.values,
                lookup=self.lookup(way, line.lookup) if line.lookup else None,
                normalise=line.normalise,
                owner=owner,
                wins=line.wins,
                first=line.first,
                order=line.order,
                once=line.once,
                fill=line.fill,
                merge=line.merge or "",
                hold=line.hold,
                audit=line.audit or "value",
                unique=line.unique,
                ref=compile_ref(line, (*way, "ref"), config=self.config, document=self.document, syncs=self.syncs),
            )
        except MappingError as fault:
            self.problem((*way, fault.part), "mapping", str(fault), fault.help)
        except YamlError as error:
            self.problems += error.problems
        return None

    def births(self) -> tuple[Birth, ...]:
        """The fields of new records alone; each knows the shared fields and the births above it, but no secret."""
        known = [name for name, line in self.config.fields.items() if not line.birth]
        found = []
        for name, line in self.born().items():
            try:
                found.append(_birth(name, line, known))
            except MappingError as fault:
                self.problem(("fields", name, fault.part), "mapping", str(fault), fault.help)
            known += [] if line.secret else [name]
        return tuple(found)

    def born(self) -> Mapping[str, FieldConfig]:
        """The lines of fields that are written at birth and never looked at again."""
        return {name: line for name, line in self.config.fields.items() if line.birth}

    def lookup(self, way: tuple[str, ...], asked: LookupConfig) -> Lookup:
        """The table behind a lookup. Raises YamlError."""
        place = (*way, "lookup")
        table = self.tables.get(asked.table)
        if table is None and asked.table in self.tables:
            raise YamlError([])  # the table's own faults are told already
        if table is None:
            text = f"there is no table '{asked.table}'; put it into tables/{asked.table}.csv"
            help = did_you_mean(asked.table, self.tables)
            raise YamlError([self.document.problem((*place, "table"), "unknown-table", text, help)])
        try:
            keys = _key_columns(table, asked)
            index = table.index_many if asked.many else table.index
            rows = index(keys, _value_column(table, asked, keys))
        except TableError as fault:
            raise YamlError([self.document.problem(place, "table", str(fault), fault.help)]) from None
        return Lookup(asked.table, rows, asked.by, asked.otherwise, asked.many)

    def ends(self) -> Mapping[Side, EndConfig]:
        """Both sides."""
        return {"left": self.config.left, "right": self.config.right}

    def end(self, side: Side, scope: Question | None) -> End:
        """One side."""
        asked = self.ends()[side]
        holds, paths = (scope.holds, scope.paths) if scope else (None, ())
        canary = Canary(asked.canary.id, dict(asked.canary.fields)) if asked.canary else None
        for text in asked.canary.fields if asked.canary else ():
            self.path(text, (side, "canary", "fields", text))
        return End(asked.system, asked.entity, dict(asked.where), holds, paths, canary)

    def path(self, text: str, way: Loc) -> Path | None:
        """The path *text*, which is a key of the file."""
        try:
            return parse(text)
        except PathError as fault:
            self.problem(way, "mapping", f"'{text}' is not a path: {fault} (column {fault.position + 1})", key=True)
            return None

    def question(self, way: Loc, text: str | None) -> Question | None:
        """A yes-or-no expression."""
        if text is None:
            return None
        try:
            return question(text)
        except MappingError as fault:
            self.problem(way, "mapping", str(fault), fault.help)
            return None

    def birth(self, side: Side, constants: Mapping[str, Any]) -> Mapping[str, Any]:
        """Constants by path, as the nested record that they make."""
        values = {}
        for text, value in constants.items():
            if path := self.path(text, ("create", side, text)):
                values[path] = value
        return patch({}, values)

    def cases(self, asked: CasesConfig) -> Cases:
        """What happens without a partner. Where nothing flows to a side, nothing is created there."""
        for side in ("left", "right"):
            if self.owner == _across(side) and getattr(asked, f"new_{side}") == "create":
                text = f"nothing can be created from the {side} side of a sync that goes {self.config.direction}"
                self.problem(("cases", f"new_{side}"), "contradiction", text, "write ignore or hold")
        return Cases(
            new_left=asked.new_left or ("ignore" if self.owner == "right" else "create"),
            new_right=asked.new_right or ("ignore" if self.owner == "left" else "create"),
            gone_left=asked.gone_left,
            gone_right=asked.gone_right,
            gone_and_changed=asked.gone_and_changed,
            out_of_scope_left=asked.out_of_scope_left,
            out_of_scope_right=asked.out_of_scope_right,
            recreated=asked.recreated,
            merged=asked.merged,
            mapping_changed=asked.mapping_changed,
        )

    def guards(self) -> Guards:
        """The limits, or the usual ones after a fault."""
        try:
            return compile_guards(self.config, self.document)
        except YamlError as error:
            self.problems += error.problems
            return Guards()

    def names(self) -> None:
        """Checks that match_on and groups speak of fields that exist."""
        for at, match in enumerate(self.config.match_on):
            for n, name in enumerate(match.on):
                self.known(name, ("match_on", at, n), ("match_on", at, "on", n))
        grouped: dict[str, str] = {}
        for group, members in self.config.groups.items():
            for n, name in enumerate(members):
                self.known(name, ("groups", group, n))
                if grouped.setdefault(name, group) != group:
                    text = f"'{name}' is in the group '{grouped[name]}' already"
                    self.problem(("groups", group, n), "contradiction", text, "a field changes hands with one group")

    def one_mind(self, rules: Mapping[str, Rule]) -> None:
        """Checks that the members of a group, which change hands together, name one decider."""
        for group, members in self.config.groups.items():
            first, *others = [name for name in members if name in rules] or [""]
            for name in others:
                for key in ("owner", "wins", "first", "once", "fill"):
                    if getattr(rules[first], key) != getattr(rules[name], key):
                        text = f"'{first}' and '{name}' change hands together, and have another '{key}' each"
                        help = f"give all members of '{group}' the same '{key}'"
                        self.problem(("groups", group, members.index(name)), "contradiction", text, help)
                        break

    def known(self, name: str, *ways: Loc) -> None:
        """Checks that a field called *name* exists; the first of *ways* that is written is where it is asked for."""
        way = next((way for way in ways if self.document.holds(way)), ways[0])
        if name not in self.config.fields:
            help = did_you_mean(name, self.config.fields) or f"known here: {', '.join(self.config.fields)}"
            self.problem(way, "unknown-field", f"there is no field '{name}' in fields", help)
        elif self.config.fields[name].birth:
            text = f"'{name}' is written at birth and never compared"
            self.problem(way, "contradiction", text, "use a field that both sides show")
        elif self.config.fields[name].merge:
            text = f"'{name}' is a set, of which every member goes its own way"
            self.problem(way, "contradiction", text, "use a field with one value")

    def outlook(self) -> list[Any]:
        """What decides about unchanged records without being the meaning of a field."""
        config = self.config
        births, ending = self.born(), [config.end, config.urgent]
        more = [self.tables_used(), self.missing()]
        return [births, config.cases, config.create, ending, config.left, config.right, *more]

    def tables_used(self) -> list[str]:
        """Digests of the tables that fields are looked up in."""
        used = sorted({line.lookup.table for line in self.config.fields.values() if line.lookup})
        return [table.digest for name in used if (table := self.tables.get(name))]

    def missing(self) -> dict[str, str]:
        """What the references do that have no partner."""
        return {name: line.missing for name, line in self.config.fields.items() if line.ref}

    def problem(self, way: Loc, code: str, message: str, help: str | None = None, *, key: bool = False) -> None:
        """Remembers a fault at *way*."""
        self.problems.append(self.document.problem(way, code, message, help, key))


def _birth(name: str, line: FieldConfig, known: Sequence[str]) -> Birth:
    made = line.generate
    return compile_birth(
        name,
        known=known,
        left=_place(line.left),
        right=_place(line.right),
        type=line.type,
        region=line.region,
        normalise=line.normalise,
        value=line.value,
        tries=made.tries if made else (),
        also=made.unique if made and made.unique is not True else (),
        last=made.max if made else 0,
        password=made.password or 0 if made else 0,
        audit="none" if line.secret else line.audit or "value",
        secret=line.secret,
    )


def _place(asked: PlaceConfig | None) -> Place | None:
    return None if asked is None else Place(asked.path, asked.write, Form(asked.format, asked.zone))


def _across(side: str) -> str:
    return "right" if side == "left" else "left"


def _key_columns(table: Table, asked: LookupConfig) -> tuple[str, ...]:
    if asked.keys is not None:
        if len(asked.keys) != max(1, len(asked.by)):
            raise TableError(f"{max(1, len(asked.by))} values are looked up in {len(asked.keys)} key columns")
        return asked.keys
    if not asked.by:
        return table.columns[:1]
    if missing := [path for path in asked.by if path not in table.columns]:
        help = f"say `keys: [...]`; it has {', '.join(table.columns)}"
        raise TableError(f"{table.file} has no column '{missing[0]}'", help)
    return asked.by


def _value_column(table: Table, asked: LookupConfig, keys: tuple[str, ...]) -> str:
    if asked.value is not None:
        return asked.value
    left = [column for column in table.columns if column not in keys]
    if len(left) != 1:
        help = f"it has {', '.join(table.columns)}"
        raise TableError(f"say which column of {table.file} is the value: `value: COLUMN`", help)
    return left[0]


def _fingerprint(config: SyncConfig) -> str:
    """Digests of what decides who pairs with whom, each under the name by which a person is told that it changed."""
    ends = {f"the {side} side": end for side, end in (("left", config.left), ("right", config.right))}
    parts = {"match_on": digest(config.match_on), "direction": digest(config.direction)}
    parts |= {name: digest(end.model_dump(exclude={"canary"}, exclude_defaults=True)) for name, end in ends.items()}
    if config.cases.mapping_changed != "hold":  # whose value is taken is a question of its own, however old the mapping
        parts["cases.mapping_changed"] = digest(config.cases.mapping_changed)
    return ";".join(f"{name}={digest[:16]}" for name, digest in parts.items())


def _meanings(name: str, line: FieldConfig) -> Iterator[str]:
    """Digests of where a field lies on each side, and of what else makes its meaning."""
    dumped = _without_opinions(line)
    parts = {f"{name}.{side}": dumped.get(side) for side in ("left", "right")}
    parts[name] = {key: value for key, value in dumped.items() if key not in ("left", "right")}
    return (f"{part}={digest(meaning)[:16]}" for part, meaning in parts.items())


def _without_opinions(line: FieldConfig) -> Mapping[str, Any]:
    """What a field means, without what only decides between two meanings or tells about them."""
    return line.model_dump(
        exclude={"wins", "first", "order", "hold", "audit", "secret", "missing", "unique"}, exclude_defaults=True
    )


def digest(*parts: Any) -> str:
    """Of what a person wrote, without what says the same as writing nothing."""

    def plain(value: Any) -> Any:
        return value.model_dump(exclude_defaults=True)  # so that a setting of tomorrow does not change today's digest

    return hashlib.sha256(_JSON.encode([msgspec.to_builtins(p, enc_hook=plain) for p in parts])).hexdigest()[:32]
