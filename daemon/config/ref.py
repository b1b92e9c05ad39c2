"""This is where the references of a sync are held against the syncs and systems that they lead to."""

from collections.abc import Mapping

from connectors.paths import PathError, parse
from connectors.yamlfile import Document, YamlError, did_you_mean
from daemon.config.field_file import FieldConfig, RefConfig
from daemon.config.sync_file import SyncConfig
from daemon.core.mapping import MappingError
from daemon.core.rules import SIDES, Naming, Ref, Side

Way = tuple[str, ...]


def compile_ref(
    line: FieldConfig, way: Way, *, config: SyncConfig, document: Document, syncs: Mapping[str, SyncConfig | None]
) -> Ref | None:
    """The reference of one field, if it is one. Raises MappingError, and YamlError for a fault at its own place."""
    asked = line.ref
    if asked is None:
        return None
    if asked.sync is None:
        return _to_system(asked, line, config)
    if asked.sync not in syncs:
        text = f"there is no sync '{asked.sync}'; put it into syncs/{asked.sync}.yaml"
        place = (*way, "sync") if document.holds((*way, "sync")) else way
        raise YamlError([document.problem(place, "unknown-sync", text, did_you_mean(asked.sync, syncs))])
    there = syncs[asked.sync]
    if there is None:
        raise YamlError([])  # its own faults are told already
    return _to_sync(asked, line, config, there)


def _to_sync(asked: RefConfig, line: FieldConfig, here: SyncConfig, there: SyncConfig) -> Ref:
    ours, theirs = ((sync.left.system, sync.right.system) for sync in (here, there))
    if ours == theirs[::-1] and ours != theirs:
        text = f"'{asked.sync}' has {theirs[0]} on its left and {theirs[1]} on its right, and this sync the reverse"
        raise MappingError("ref", text, "turn one of the two syncs round")
    named: dict[Side, Naming] = {}
    for side in SIDES:
        if path := getattr(asked.take, side, None):
            end, own = getattr(there, side), getattr(here, side)
            if end.system != own.system:
                text = f"the {side} of '{asked.sync}' is {end.system}, so {own.system} cannot be asked for '{path}'"
                raise MappingError("ref", text, "refer by the id: leave `take` out")
            named[side] = Naming(end.entity, _path(path))
    return Ref(sync=there.name, named=named, missing=line.missing)


def _to_system(asked: RefConfig, line: FieldConfig, config: SyncConfig) -> Ref:
    side = next((side for side in SIDES if getattr(config, side).system == asked.system), None)
    if side is None:
        text = f"'{asked.system}' is on neither side of this sync, so its ids mean nothing there"
        raise MappingError("ref", text, f"it is between {config.left.system} and {config.right.system}")
    assert asked.entity
    assert asked.by
    return Ref(ask=side, by=Naming(asked.entity, _path(asked.by)), missing=line.missing)


def _path(text: str) -> str:
    try:
        parse(text)
    except PathError as fault:
        raise MappingError("ref", f"'{text}' is not a path: {fault}") from None
    return text
