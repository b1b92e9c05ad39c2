"""A configuration built beside the running one: unchanged systems keep their driver, failures leave nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Driver
from daemon.config.secrets import Secrets
from daemon.config.systems import SystemConfig, connect_system
from daemon.errors import ConfigError
from daemon.service.generation import Generation
from daemon.service.logs import Redactor
from daemon.service.registry import Registry
from daemon.service.reload import prepare
from daemon.service.runtime import Runtime, start
from tests.service.house import lay_out


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[Runtime, Generation]]:
    with start(lay_out(tmp_path / "c"), os.environ, "run", redactor=Redactor()) as (runtime, generation):
        yield runtime, generation
        generation.retire()


def edit(runtime: Runtime, file: str, old: str, new: str) -> None:
    path = runtime.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_files_that_did_not_change_make_no_new_generation(house: tuple[Runtime, Generation]) -> None:
    runtime, running = house

    assert prepare(runtime, running).generation is None


def test_a_system_whose_file_stays_keeps_its_driver(house: tuple[Runtime, Generation]) -> None:
    runtime, running = house
    edit(runtime, "systems/crm.yaml", "find: [email]", "find: [email, name]")

    prepared = prepare(runtime, running)

    assert prepared.changes == ("changed systems/crm.yaml",)
    assert prepared.generation is not None
    old, new = running.drivers("people"), prepared.generation.drivers("people")
    assert new["left"] is old["left"]
    assert new["right"] is not old["right"]
    prepared.generation.retire()
    assert len(runtime.registry) == 2


def test_new_and_gone_files_are_named(house: tuple[Runtime, Generation]) -> None:
    runtime, running = house
    (runtime.folder / "syncs/people.yaml").unlink()
    (runtime.folder / "systems/erp.yaml").write_text("version: 1\nname: erp\nconnector: memory\n")

    prepared = prepare(runtime, running)

    assert prepared.changes == ("gone syncs/people.yaml", "new systems/erp.yaml")
    assert prepared.generation
    prepared.generation.retire()


def test_faults_are_all_told_and_nothing_is_built(house: tuple[Runtime, Generation]) -> None:
    runtime, running = house
    edit(runtime, "syncs/people.yaml", "wins: left", "wins: lefft")

    with pytest.raises(ConfigError) as refused:
        prepare(runtime, running)

    assert len(refused.value.problems) == 2
    assert "syncs/people.yaml:10:" in refused.value.problems[0]
    assert len(runtime.registry) == 2


def test_a_missing_secret_is_a_fault_of_the_files(house: tuple[Runtime, Generation]) -> None:
    runtime, running = house
    (runtime.folder / "systems/api.yaml").write_text(
        "version: 1\nname: api\nconnector: rest\nbase_url: https://api.example\n"
        "auth: {kind: bearer, token: {secret: api-token}}\n"
    )

    with pytest.raises(ConfigError, match=r"systems/api.yaml:5:.*missing-secret") as refused:
        prepare(runtime, running)

    assert "TALLYSTICK_SECRET_API_TOKEN" in str(refused.value)


@pytest.mark.parametrize("setting", ["state: elsewhere", "audit: {origin: other}", "admin: {socket: other.sock}"])
def test_what_a_running_daemon_cannot_follow_is_refused_with_both_values(
    house: tuple[Runtime, Generation], setting: str
) -> None:
    runtime, running = house
    path = runtime.folder / "tallystick.yaml"
    path.write_text(path.read_text() + setting + "\n")

    with pytest.raises(ConfigError, match=r"cannot change while the daemon runs: .* -> .*(elsewhere|other)"):
        prepare(runtime, running)


def test_when_a_driver_cannot_be_made_the_others_are_given_back(house: tuple[Runtime, Generation]) -> None:
    _, running = house
    made: list[str] = []

    def connect(system: SystemConfig, secrets: Secrets) -> Driver:
        made.append(system.name)
        if len(made) == 2:
            raise OSError("out of descriptors")
        return connect_system(system, secrets)

    registry = Registry(connect)

    with pytest.raises(OSError, match="descriptors"):
        registry.take(running.config, running.config.secrets({}))

    assert len(registry) == 0
