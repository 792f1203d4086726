"""A C IOC for these tests alone: they write to many of its PVs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import CIoc


@pytest.fixture(scope="package")
def c_ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    with CIoc.interop(folder=tmp_path_factory.mktemp("c_ioc")) as ioc:
        yield ioc
