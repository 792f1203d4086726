"""These tests write to many PVs of the C IOC, so they have one of their own."""

from tests.support.own_c_ioc import own_c_ioc

__all__ = ["own_c_ioc"]
