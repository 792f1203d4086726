"""``python -m fuzz.guided TARGET CORPUS``: one target under atheris; the rest of the options are libFuzzer's."""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["caproto"]):
    from .targets import TARGETS

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
