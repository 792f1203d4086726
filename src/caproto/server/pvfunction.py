"""`pvfunction`: a function of an IOC that clients can call by way of PVs."""

# ruff: noqa: N801 -- a class that is used as a decorator is written like one

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_origin

from .._errors import CaprotoTypeError
from .._protocol.enums import ChannelType
from .pvspec import DEFAULT_VALUES, PVSpec
from .subgroup import SubGroup

__all__ = ["pvfunction"]

_TEXT_LENGTH = 256
"""Characters that a PV of text can hold at least: a value, or the message of an exception."""
_NAMES = {"process": "Process", "retval": "Retval", "status": "Status"}
_EMPTY = inspect.Parameter.empty


class pvfunction(SubGroup[Any]):
    """Decorates a method of a `PVGroup`, which clients can call: a subgroup of PVs stands for it.

    ::

        @pvfunction(default=0)
        async def add(self, a: int = 1, b: int = 2) -> int:
            return a + b

    Each parameter becomes a PV, ``add:a`` and ``add:b``. Whatever is written to ``add:Process`` calls the function with
    their values; ``add:Retval`` then has what it returned and ``add:Status`` reads ``'Success'``. If it raises an
    exception, the write fails, the status tells the exception, and the PVs are in alarm until a call succeeds.

    Within the function `self` is the subgroup; ``self.parent`` is the group of which the function is a method.

    Parameters
    ----------
    func : coroutine function, optional
        The annotations of its parameters are `dtype` of `pvproperty`; ``list[float]`` is an array. Without an annotation
        the default value tells.
    default : object, optional
        What Retval is before the first call.
    names : dict, optional
        Other names for the PVs ``'process'``, ``'retval'`` and ``'status'``, or for those of parameters.
    alarm_group : str, optional
        By default the PVs of one function share an alarm.
    prefix, macros, attr_separator
        As for `SubGroup`.
    doc : str, optional
        By default that of the function.
    """

    def __init__(
        self,
        func: Callable[..., Any] | None = None,
        default: Any = None,
        names: dict[str, str] | None = None,
        alarm_group: str | None = None,
        prefix: str | None = None,
        macros: dict[str, str] | None = None,
        attr_separator: str | None = None,
        doc: str | None = None,
    ) -> None:
        self.default_retval = default
        self.func: Callable[..., Any] | None = None
        self.alarm_group = alarm_group
        self.names: dict[str, str] = {
            **_NAMES,
            **{_known(name): to for name, to in (names or {}).items()},
        }
        self.pvspec: list[PVSpec] = []
        self._arrays: set[str] = set()
        super().__init__(prefix=prefix, macros=macros, attr_separator=attr_separator, doc=doc)
        if func is not None:
            self(func)

    def __call__(self, func: Callable[..., Any]) -> pvfunction:
        """Decorate the function."""
        self.func = func
        if self.__doc__ is None:
            self.__doc__ = func.__doc__
        if self.alarm_group is None:
            self.alarm_group = func.__name__
        parameters = [*self._parameters()[1:], *self.get_additional_parameters()]
        self.pvspec = [self.pvspec_from_parameter(parameter) for parameter in parameters]
        process = PVSpec(
            put=self._process,
            attr="Process",
            name=self.names["process"],
            dtype=int,
            value=0,
            alarm_group=self.alarm_group,
            doc=f"write anything to call {func.__name__}",
        )
        self._take({spec.attr: spec for spec in (*self.pvspec, process)})
        return self

    def _signature(self) -> inspect.Signature:
        """Return the signature of the function, with annotations for types."""
        assert self.func is not None
        try:
            return inspect.signature(self.func, eval_str=True)
        except NameError as error:
            raise CaprotoTypeError(
                f"an annotation of the pvfunction {self.func.__name__} is not known at the level of the module: {error}"
            ) from error

    def _parameters(self) -> list[inspect.Parameter]:
        return list(self._signature().parameters.values())

    def get_additional_parameters(self) -> list[inspect.Parameter]:
        """Return the status and the result as if they were parameters of the function."""
        annotation = self._signature().return_annotation
        default = _EMPTY if self.default_retval is None else self.default_retval
        if annotation in (_EMPTY, None) and default is _EMPTY:
            annotation = int
        kind = inspect.Parameter.KEYWORD_ONLY
        return [
            inspect.Parameter("status", kind, default="Init", annotation=str),
            inspect.Parameter("retval", kind, default=default, annotation=annotation),
        ]

    def pvspec_from_parameter(self, param: inspect.Parameter, doc: str | None = None) -> PVSpec:
        """Declare the PV of a parameter.

        Raises
        ------
        CaprotoTypeError
            If nothing tells its type.
        """
        assert self.func is not None
        value = None if param.default is _EMPTY else param.default
        dtype = None if param.annotation in (_EMPTY, None) else param.annotation
        if (dtype is None and value is None) or param.kind in (
            param.VAR_POSITIONAL,
            param.VAR_KEYWORD,
        ):
            raise CaprotoTypeError(
                f"the parameter {param} of the pvfunction {self.func.__name__} cannot become a PV: "
                f"give it an annotation, as in `{param.name}: float`"
            )
        origin = get_origin(dtype)
        if isinstance(origin, type) and issubclass(origin, Sequence):
            dtype = get_args(dtype)[0]
            value = DEFAULT_VALUES.get(dtype, 0) if value is None else value
            dtype = ChannelType.STRING if dtype is str else dtype
            self._arrays.add(param.name)
        max_length = None
        if isinstance(value, Sequence) and len(value) == 1 and not isinstance(value, str | bytes):
            value = value[0]  # one element in brackets is a scalar, as for pvproperty
        if dtype is str or (dtype is None and isinstance(value, str)):
            max_length = max(_TEXT_LENGTH, len(value or ""))
        return PVSpec(
            attr=param.name,
            name=self.names.get(param.name, param.name),
            dtype=dtype,
            value=value,
            max_length=max_length,
            alarm_group=self.alarm_group,
            read_only=param.name in ("status", "retval"),
            doc=doc or f"{param.name} of {self.func.__name__}",
        )

    async def _process(self, group: Any, instance: Any, value: Any) -> None:
        """Call the function: the putter of Process."""
        assert self.func is not None
        given = {
            name: _as_list(data.value) if name in self._arrays else data.value
            for name, data in group.attr_pvdb.items()
            if name not in ("status", "retval", "Process")
        }
        try:
            result = self.func(group, **given)
            if inspect.isawaitable(result):
                result = await result
            if result is not None:
                await group.retval.write(result)
        except Exception as error:
            await group.status.write(f"{type(error).__name__}: {error}"[:_TEXT_LENGTH])
            raise
        await group.status.write("Success")


def _as_list(value: Any) -> Any:
    """Return the value of an array; one with room for a single element is kept as a scalar."""
    return value if hasattr(value, "__len__") and not isinstance(value, str | bytes) else [value]


def _known(name: str) -> str:
    """Return the key for a name; ``'Process'`` is as good as ``'process'``."""
    return name.lower() if name.lower() in _NAMES else name
