"""The one place where the version is written."""

__version__ = "2.0.0a1"
