"""IOCs that several of these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import CIoc, write_bulk_database

BULK = 3000


@pytest.fixture(scope="session")
def bulk_ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    """The real C IOC with the records ``bulk:0`` to ``bulk:2999``, each with its number as value."""
    folder = tmp_path_factory.mktemp("bulk_ioc")
    write_bulk_database(folder / "bulk.db", BULK)
    with CIoc(folder / "bulk.db", folder=folder) as ioc:
        yield ioc
