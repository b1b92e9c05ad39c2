"""This is where a folder of files becomes one frozen Config, or one error that lists every fault of every file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from connectors.yamlfile import Document, Problem, YamlError, check, read
from daemon.config.collections import children, compile_child
from daemon.config.compile import compile_sync
from daemon.config.crossing import double_writers, end_problems, untimed
from daemon.config.files import MAIN, Found, find
from daemon.config.models import DaemonConfig
from daemon.config.relations import relation_problems
from daemon.config.schedule import Schedule, default_problems, read_schedule
from daemon.config.secrets import Secrets
from daemon.config.sync_file import SyncConfig
from daemon.config.systems import Reference, SystemConfig, read_system
from daemon.config.tables import Table, read_table
from daemon.core.rules import Sync
from daemon.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """One sync, ready for the engine: what was written, the rules it means, and when it runs."""

    name: str
    config: SyncConfig = field(repr=False)
    rules: Sync = field(repr=False)
    schedule: Schedule
    file: str


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration that passed every check. It holds references to secrets, never a secret."""

    folder: Path
    daemon: DaemonConfig
    systems: Mapping[str, SystemConfig]
    syncs: Mapping[str, SyncPlan]
    tables: Mapping[str, Table]
    digest: str
    """SHA-256 over all files."""
    files: Mapping[str, str] = field(repr=False)
    """SHA-256 of each file, by its name inside the folder."""

    def secrets(self, env: Mapping[str, str]) -> Secrets:
        """Where this configuration finds its secrets."""
        return Secrets(self.daemon.secrets.folder, env=env)

    def references(self) -> tuple[Reference, ...]:
        """Every secret and variable that the files refer to."""
        return tuple(ref for system in self.systems.values() for ref in system.references)


def load(folder: Path, *, env: Mapping[str, str]) -> Config:
    """The configuration in *folder*. Raises ConfigError with every fault, root causes first.

    No secret is read and no system is asked: `check_secrets` looks at the first, `Driver.check` at the second.
    """
    folder = folder.resolve()
    return _Loader(folder, env, find(folder)).config()


def read_daemon(folder: Path, *, env: Mapping[str, str]) -> DaemonConfig:
    """tallystick.yaml alone, for whoever needs its state folder or socket although other files may have faults.

    Raises YamlError.
    """
    return _daemon(read(folder / MAIN, shown=MAIN), folder.resolve(), env)


def check_secrets(config: Config, secrets: Secrets) -> tuple[Problem, ...]:
    """What this host lacks of the secrets and variables that *config* refers to."""
    return tuple(fault for ref in config.references() if (fault := ref.fault(secrets)))


class _Loader:
    """One load on its way: every part notes its problems and leaves out what cannot be used."""

    def __init__(self, folder: Path, env: Mapping[str, str], found: Found) -> None:
        self.folder, self.env, self.found = folder, env, found
        self.problems = list(found.problems)

    def config(self) -> Config:
        """The whole configuration."""
        daemon = self.daemon()
        tables = self.tables()
        systems, broken = self.systems()
        syncs = self.syncs(daemon, systems, broken, tables)
        if self.problems or daemon is None:
            raise ConfigError([problem.render() for problem in sorted(dict.fromkeys(self.problems), key=_rank)])
        return Config(
            folder=self.folder,
            daemon=daemon,
            systems=systems,
            syncs=syncs,
            tables={name: table for name, table in tables.items() if table},
            digest=self.found.digest(),
            files={name: hashlib.sha256(raw).hexdigest() for name, raw in self.found.contents.items()},
        )

    def daemon(self) -> DaemonConfig | None:
        """tallystick.yaml, or None after a fault."""
        if MAIN not in self.found.contents:
            return None
        try:
            document = self.document(MAIN)
            daemon = _daemon(document, self.folder, self.env)
        except YamlError as error:
            self.problems += error.problems
            return None
        self.problems += default_problems(document, daemon.defaults)
        return daemon

    def tables(self) -> dict[str, Table | None]:
        """The tables by name; None for one with faults."""
        tables: dict[str, Table | None] = {}
        for file, raw in self.found.within("tables").items():
            name = Path(file).stem
            try:
                tables[name] = read_table(name, raw, file=file, digest=hashlib.sha256(raw).hexdigest())
            except YamlError as error:
                tables[name] = None
                self.problems += error.problems
        return tables

    def systems(self) -> tuple[dict[str, SystemConfig], set[str]]:
        """The systems by name, and the names of those with faults."""
        documents, broken = self.documents("systems")
        beside = [d.data.get("connector") for d in documents.values() if isinstance(d.data, Mapping)]
        systems: dict[str, SystemConfig] = {}
        for name, document in documents.items():
            if f"./{name}.yaml" in beside:
                continue  # a definition that another file of this folder names, not a system
            try:
                systems[name] = read_system(document, self.folder)
                self.check_name(document, name)
            except YamlError as error:
                broken.add(name)
                self.problems += error.problems
        return systems, broken

    def syncs(
        self,
        daemon: DaemonConfig | None,
        systems: Mapping[str, SystemConfig],
        broken: set[str],
        tables: Mapping[str, Table | None],
    ) -> dict[str, SyncPlan]:
        """The syncs by name. Each is read as far as possible, so that all its faults are told."""
        plans: dict[str, SyncPlan] = {}
        written: list[tuple[Document, Sync]] = []
        documents, unread = self.documents("syncs")
        configs = {name: self.sync_config(name, document) for name, document in documents.items()}
        beside = {**dict.fromkeys(unread), **configs}
        for name, config in configs.items():
            if config is None:
                continue
            document = documents[name]
            self.problems += end_problems(document, config, systems, broken)
            self.problems += untimed(document, config, systems)
            self.problems += relation_problems(document, config, systems)
            found = self.collections(config, document, systems, broken, tables, beside)
            try:
                rules = compile_sync(config, document, tables, beside)
            except YamlError as error:
                self.problems += error.problems
                continue
            zone = config.timezone or daemon.defaults.timezone if daemon else rules.zone
            below = tuple(replace(child, zone=zone) for _, child in found)
            rules = replace(rules, zone=zone, collections=below)
            written += [(document, rules), *found]
            try:
                if daemon:
                    schedule = read_schedule(config, daemon.defaults, document)
                    plans[name] = SyncPlan(name, config, rules, schedule, document.file)
            except YamlError as error:
                self.problems += error.problems
        self.problems += double_writers(written)
        return plans

    def collections(
        self,
        parents: SyncConfig,
        document: Document,
        systems: Mapping[str, SystemConfig],
        broken: set[str],
        tables: Mapping[str, Table | None],
        beside: Mapping[str, SyncConfig | None],
    ) -> list[tuple[Document, Sync]]:
        """The collections of one sync, each with its part of the file."""
        found: list[tuple[Document, Sync]] = []
        for child in children(parents, document):
            self.problems += end_problems(child.document, child.config, systems, broken, nested=child.nested)
            self.problems += untimed(child.document, child.config, systems)
            self.problems += relation_problems(child.document, child.config, systems)
            try:
                found.append((child.document, compile_child(child, parents, tables, beside)))
            except YamlError as error:
                self.problems += error.problems
        return found

    def sync_config(self, name: str, document: Document) -> SyncConfig | None:
        """One sync as it is written, or None after a fault."""
        try:
            config = check(document, SyncConfig)
        except YamlError as error:
            self.problems += error.problems
            return None
        self.check_name(document, name)
        return config

    def documents(self, folder: str) -> tuple[dict[str, Document], set[str]]:
        """The YAML files of one folder by stem, and the stems of those that are not YAML."""
        documents: dict[str, Document] = {}
        broken: set[str] = set()
        for file in self.found.within(folder):
            try:
                documents[Path(file).stem] = self.document(file)
            except YamlError as error:
                broken.add(Path(file).stem)
                self.problems += error.problems
        return documents, broken

    def document(self, file: str) -> Document:
        """One YAML file. Raises YamlError."""
        return read(self.folder / file, self.found.contents[file], shown=file)

    def check_name(self, document: Document, stem: str) -> None:
        """Holds the name in a file against the file's own."""
        name = document.data["name"]
        if name != stem:
            text = f"the name '{name}' is not the file's name '{stem}'"
            self.problems.append(document.problem(("name",), "name-mismatch", text, "rename one of them"))


def _daemon(document: Document, folder: Path, env: Mapping[str, str]) -> DaemonConfig:
    daemon = check(document, DaemonConfig, context={"folder": folder})
    given = env.get("STATE_DIRECTORY", "").split(":")[0]  # systemd's; several are joined by colons
    return daemon.model_copy(update={"state": Path(given)}) if given and "state" not in document.data else daemon


def _rank(problem: Problem) -> tuple[int, str, int, int]:
    """Causes before what they cause: the daemon, then tables and systems, then the syncs that use them."""
    kind = problem.file.partition("/")[0]
    return ({MAIN: 0, "tables": 1, "syncs": 3}.get(kind, 2), problem.file, problem.line, problem.column)
