"""Arrays that know their PV, time, alarm, units and limits; imported on first use."""

from __future__ import annotations

from typing import Any

import numpy as np

from .augmented import Augmented

__all__ = ["AugmentedArray"]


class AugmentedArray(Augmented, np.ndarray):
    """A `numpy.ndarray` that carries what `Augmented` has; parts and results of calculations are plain arrays."""

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Make results plain."""
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, index: Any) -> Any:
        return self.view(np.ndarray)[index]

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    # IPython takes the first of these two that it meets, class by class.
    _repr_pretty_ = Augmented._repr_pretty_

    def __str__(self) -> str:
        return str(self.view(np.ndarray))
