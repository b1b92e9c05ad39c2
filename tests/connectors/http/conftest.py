"""This is where every test of the HTTP room finds a small CRM and a driver that speaks to it."""

from collections.abc import Iterator

import pytest

from connectors.drivers.http import HttpDriver
from tests.connectors.http.connected import driver_for
from tests.connectors.http.servers import Crm, served


@pytest.fixture
def crm() -> Crm:
    return Crm(records={f"p{n}": {"id": f"p{n}", "name": f"P {n}", "rev": n} for n in range(1, 7)}, count=6)


@pytest.fixture
def driver(crm: Crm) -> Iterator[HttpDriver]:
    with served(crm.answer) as address:
        driver = driver_for(address)
        yield driver
        driver.close()
