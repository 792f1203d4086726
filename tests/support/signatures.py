"""Signatures of public functions, to be compared with those of the documentation."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any


def signature(function: Any, ours: Collection[str] = ()) -> str:
    """Return a signature as documentation prints it, without annotations, `self` and the parameters that are `ours`.

    These are given by keyword only, and can be left out.
    """
    parameters = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in ours:
            assert parameter.kind is parameter.KEYWORD_ONLY
            assert parameter.default is not parameter.empty
        elif name != "self":
            parameters.append(parameter.replace(annotation=parameter.empty))
    return str(inspect.Signature(parameters))
