"""This is where one configuration comes to life: a Config that passed every check, with a driver for each system."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Driver
from connectors.definition import EnvRef, SecretRef
from daemon.config.load import Config, SyncPlan, check_secrets, load
from daemon.config.secrets import Secrets
from daemon.core.rules import SIDES, Side, Sync
from daemon.errors import ConfigError, NoSuch
from daemon.service import clock
from daemon.service.logs import Redactor
from daemon.service.registry import Key, Registry


@dataclass(slots=True)
class Generation:
    """One configuration in use. Runs that began with it end with it, whatever is reloaded meanwhile."""

    number: int
    config: Config
    loaded_at: float
    _keys: Mapping[str, Key] = field(repr=False)
    _registry: Registry = field(repr=False)
    pins: int = 0
    """How many runs and questions are at work with it."""

    def sync(self, name: str) -> SyncPlan:
        """The sync of that name. Raises NoSuch with the known ones."""
        try:
            return self.config.syncs[name]
        except KeyError:
            known = [each.name for sync in self.config.syncs.values() for each in (sync.rules, *sync.rules.collections)]
            raise NoSuch(f"no sync '{name}'; known: {', '.join(known) or 'none'}") from None

    def root(self, name: str) -> str:
        """The sync that *name* means, or of which the collection `people.phones` is a part. Raises NoSuch."""
        for sync in self.config.syncs.values():
            if name in {child.name for child in sync.rules.collections}:
                return sync.name
        return self.sync(name).name

    def rules(self, name: str) -> Sync:
        """The agreement of a sync or of a collection. Raises NoSuch."""
        whole = self.sync(self.root(name)).rules
        return next((child for child in whole.collections if child.name == name), whole)

    def drivers(self, name: str) -> dict[Side, Driver]:
        """The drivers of both sides of a sync."""
        rules = self.rules(name)
        return {side: self._registry.driver(self._keys[rules.end(side).system]) for side in SIDES}

    def retire(self) -> None:
        """Closes the drivers that no other generation uses."""
        self._registry.give_back(self._keys)


class WatchedSecrets(Secrets):
    """Secrets whose values are kept out of the log from the moment they are first revealed."""

    def __init__(self, folder: Path, *, env: Mapping[str, str], redactor: Redactor) -> None:
        super().__init__(folder, env=env)
        self._redactor = redactor

    def reveal(self, ref: SecretRef | EnvRef) -> str:
        """See Secrets. A variable may hold a mere address, which stays readable."""
        value = super().reveal(ref)
        if isinstance(ref, SecretRef) or "://" not in value or "@" in value:
            self._redactor.watch(value)
        return value


def read_config(folder: Path, env: Mapping[str, str]) -> Config:
    """The configuration with every secret in reach. Raises ConfigError with every fault."""
    config = load(folder, env=env)
    problems = check_secrets(config, config.secrets(env))
    if problems:
        raise ConfigError([problem.render() for problem in problems])
    return config


def build(config: Config, number: int, registry: Registry, redactor: Redactor, env: Mapping[str, str]) -> Generation:
    """A generation beside the others. No system is asked yet; when anything fails nothing is left behind."""
    secrets = WatchedSecrets(config.daemon.secrets.folder, env=env, redactor=redactor)
    for reference in config.references():
        secrets.reveal(reference.ref)  # from here on the log hides them
    return Generation(number, config, clock.now(), registry.take(config, secrets), registry)
