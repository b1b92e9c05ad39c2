"""This is where systems that speak HTTP and JSON become a driver: REST and SCIM, described by definitions.

The words of a definition are in connectors/http/facts.py; reading, writing and everything below in connectors/http.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors import paths
from connectors.base import (
    Capabilities,
    ConnectorError,
    CursorRule,
    EntityShape,
    Failed,
    Fields,
    Gone,
    Health,
    NotSent,
    Op,
    Outcome,
    Page,
    Permanent,
    Record,
    Temporary,
    Write,
)
from connectors.definition import Reveal, unknown_entity
from connectors.http.asking import Checking
from connectors.http.batching import Batcher
from connectors.http.budget import Budget, Surroundings
from connectors.http.client import HttpClient, Response
from connectors.http.facts import Entity
from connectors.http.reading import Reader
from connectors.http.requester import Requester
from connectors.http.select import pick
from connectors.http.settings import System
from connectors.http.templates import names_in
from connectors.http.tls import tls_context
from connectors.http.verdict import Judge, raise_for
from connectors.http.writing import Writer

__all__ = ["Entity", "HttpDriver", "System", "connect"]

_OPS: tuple[Op, ...] = ("create", "update", "delete", "deactivate")


def connect(
    system: System,
    entities: Mapping[str, Any],
    *,
    check: Mapping[str, Any] | None = None,
    reveal: Reveal,
    around: Surroundings | None = None,
    transport: Any = None,
) -> "HttpDriver":
    """A driver for one system. Secrets are revealed now, the first request opens the first connection.

    Raises KeyError for a secret that nothing holds, ValueError for an address that is none. *around* and *transport*
    are for tests.
    """
    base_url = system.base_url if isinstance(system.base_url, str) else reveal(system.base_url)
    certificate = reveal(system.tls.client_cert) if system.tls.client_cert else None
    client = HttpClient(
        system.name,
        base_url,
        credentials=system.auth.open(reveal),
        headers=system.headers,
        params=system.query,
        patience=system.timeout.patience(),
        context=lambda: tls_context(system.tls.ca, certificate),
        transport=transport,
    )
    budget = Budget(system.name, limits=system.limits, breaker=system.breaker, retry=system.retry, around=around)
    known = {name: Entity.model_validate(entity) for name, entity in entities.items()}
    return HttpDriver(
        Requester(client, budget, system.params), known, Checking.model_validate(check) if check else None
    )


class HttpDriver:
    """One system over HTTP. Every method may be called from several threads."""

    def __init__(self, requester: Requester, entities: Mapping[str, Entity], check: Checking | None = None) -> None:
        self._requester, self._entities, self._check = requester, dict(entities), check
        self._readers = {name: Reader(requester, name, entity) for name, entity in entities.items()}
        writers = {name: Writer(requester, name, entity, self._readers[name]) for name, entity in entities.items()}

        self._writers = {n: Batcher(requester, n, entity, writers[n]) for n, entity in entities.items()}

    def describe(self, entity: str) -> Capabilities:
        """What the definition promises for *entity*."""
        tells = self._check is not None and bool(self._check.tenant or self._check.epoch)
        return replace(capabilities(self._entity(entity)), identity=tells)

    def check(self, entity: str | None = None) -> Health:
        """Asks the definition's check request, or for the first page of *entity*."""
        tenant = epoch = None
        try:
            if entity is not None:
                self._readers[self._name(entity)].first_page()
            elif self._check is not None:
                verdict = self._requester.ask(self._check, Judge(), {}, repeatable=True)
                raise_for(verdict)
                tenant, epoch = (_told(at, verdict.response) for at in (self._check.tenant, self._check.epoch))
            else:
                self._any_reader().first_page()
        except (ConnectorError, ValueError) as e:
            return Health(reachable=False, message=str(e))
        return Health(reachable=True, tenant=tenant, epoch=epoch, permissions={"read": True} if entity else {})

    def read(
        self, entity: str, *, cursor: str | None = None, fields: Sequence[str] = (), where: Fields | None = None
    ) -> Iterator[Page]:
        """Pages of everything, or of what changed since *cursor*."""
        with _ToldPlainly():
            yield from self._readers[self._name(entity)].read(cursor, fields, where or {})

    def get(self, entity: str, ids: Sequence[str], *, fields: Sequence[str] = ()) -> Iterator[Record | Gone | Failed]:
        """One answer per id, in order."""
        with _ToldPlainly():
            yield from self._readers[self._name(entity)].get(ids, fields)

    def find(
        self, entity: str, by: Fields, *, consistent: bool = False, fields: Sequence[str] = ()
    ) -> Sequence[Record]:
        """Records that have all values of *by*."""
        with _ToldPlainly():
            return self._readers[self._name(entity)].find(by, consistent, fields)

    def write(self, entity: str, writes: Sequence[Write], *, fields: Sequence[str] = ()) -> Iterator[Outcome]:
        """One outcome per write, in order; several in one request where the definition has `batch`."""
        try:
            writer, wanted = self._writers[self._name(entity)], self._readers[entity].wanted(fields)
        except (Permanent, paths.PathError) as e:
            yield from (NotSent(str(e), permanent=True) for _ in writes)
            return
        yield from writer.write(writes, wanted)

    def poll(self, entity: str, jobs: Sequence[str]) -> Iterator[Outcome]:
        """How the jobs stand that were ordered of *entity*."""
        with _ToldPlainly():
            yield from [self._writers[self._name(entity)].writer.poll(job) for job in jobs]

    def discover(self) -> list[EntityShape]:
        """The entities of the definition; JSON tells no types."""
        return [EntityShape(name) for name in self._entities]

    def close(self) -> None:
        """Closes the connections."""
        self._requester.client.close()

    def _any_reader(self) -> Reader:
        for reader in self._readers.values():
            return reader
        raise Permanent(f"{self._requester.system}: neither check nor entities, so there is nothing to ask")

    def _entity(self, entity: str) -> Entity:
        return self._entities[self._name(entity)]

    def _name(self, entity: str) -> str:
        if entity not in self._entities:
            raise Permanent(self._unknown(entity))
        return entity

    def _unknown(self, entity: str) -> str:
        return unknown_entity(self._requester.system, entity, self._entities)


def _told(at: str | None, response: Response) -> str | None:
    """What the answer says of the system itself; None where it does not."""
    value = None if at is None or not response.body else pick(at, response.json())
    return None if value is None or isinstance(value, dict | list) else str(value)


def capabilities(entity: Entity) -> Capabilities:
    """What an entity's definition promises: what its requests imply, unless `capabilities:` says otherwise."""
    reads, writes = entity.read, entity.write
    cursor = reads.changed.cursor if reads.changed else None
    guarded = [how for how in (writes.update, writes.delete, writes.deactivate) if how is not None]
    told = {name: value for name, value in entity.capabilities.model_dump().items() if value is not None}
    strict = bool(guarded) and all(how.precondition is not None for how in guarded)
    rereads = writes.update is not None and entity.rereads(writes.update)
    answering = [how for how in (writes.create, writes.update) if how is not None]
    implied: dict[str, Any] = {
        "precondition": strict,
        "compares": rereads and not (strict or told.get("precondition")),
        "read_back": entity.version is not None and all(how.record is not None for how in answering),
        "idempotent_create": writes.create is not None and writes.create.idempotency is not None,
        "tombstones": reads.deleted is not None,
        "merges": reads.get is not None and reads.get.into is not None,
    }
    return Capabilities(
        **{**implied, **told},
        find=frozenset(reads.find.by) if reads.find else frozenset(),
        cursor=CursorRule(cursor.kind, cursor.lag, cursor.overlap) if cursor else None,
        empty="null" if entity.empty == "omitted" else entity.empty,
        gets=reads.get.batch or 1 if reads.get else 1,
        requests=_requests(entity),
        steps=tuple(step.name for step in writes.create.steps) if writes.create else (),
        batch=writes.batch.size if writes.batch else 1,
        atomic_batch=writes.batch is not None and writes.batch.atomic,
        writes=frozenset(op for op in _OPS if entity.operation(op) is not None),
        marker=_marker(entity),
        deactivated=_deactivated(entity),
        relations=frozenset(f"@{name}" for name in entity.relations),
    )


def _requests(entity: Entity) -> dict[Op, int]:
    """What takes more than one request: a create in steps, an update of the record as it is."""
    create, update = entity.write.create, entity.write.update
    found: dict[Op, int] = {"create": 1 + len(create.steps)} if create and create.steps else {}
    return found | ({"update": 2} if update and entity.rereads(update) else {})


def _marker(entity: Entity) -> str | None:
    """The field that takes our marker, if a record can be found again by it."""
    create, find = entity.write.create, entity.read.find
    field = create.marker.field if create and create.marker else None
    return field if find and field in find.by else None


def _deactivated(entity: Entity) -> Fields | None:
    """What the record shows once it is switched off, where the request says so in plain values."""
    how = entity.write.deactivate
    plain = how is not None and isinstance(how.body, Mapping) and not names_in(how.body)
    return how.body if how is not None and plain else None


class _ToldPlainly:
    """Turns the client's finer errors into the two of the Driver protocol, and a bad field path into Permanent."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        match error:
            case Temporary() if type(error) is not Temporary:
                raise Temporary(str(error), retry_after=error.retry_after) from None
            case paths.PathError():
                raise Permanent(f"a requested field is not a path: {error}") from None
            case Permanent() if type(error).__module__.startswith("connectors.http"):
                raise Permanent(str(error)) from None
