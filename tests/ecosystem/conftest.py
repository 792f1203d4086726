"""Fixtures for programs that were written for the original caproto."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests here the time that pip may take."""
    for item in items:
        if "tests/ecosystem/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(300))
