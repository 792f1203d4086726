"""A C IOC for the tests of one package alone: they write to many of its PVs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ioc import CIoc


@pytest.fixture(scope="package", name="c_ioc")
def own_c_ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    """Take the place of the C IOC that all tests share, in the package whose ``conftest.py`` imports this."""
    with CIoc.interop(folder=tmp_path_factory.mktemp("c_ioc")) as ioc:
        yield ioc
