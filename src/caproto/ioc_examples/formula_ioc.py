"""A number that is computed of others: ``--formula 'y = a * sin(b)'``.

The expression is one of Python, with the functions and numbers of its module `math`. Whatever else is named there is an
input.

PVs
---
{input}
    One for each name in the formula.
{result}
    What is computed of them: the name on the left. Read only.
proc
    Whatever is written here computes at once; otherwise that is done ten times a second, and when the result is read.
formula, out_postfix, vars
    The formula, the name of the result, those of the inputs. Read only.
"""

from __future__ import annotations

import ast
import builtins
import math
from typing import Any, Final

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.server import PVGroup, pvproperty, run, template_arg_parser

_KNOWN: dict[str, Any] = {name: value for name, value in vars(math).items() if name[0] != "_"}
_KNOWN.update({name: getattr(builtins, name) for name in ("abs", "max", "min", "round")})


def extract_names(formula: str) -> tuple[str, list[str], str]:
    """Read a formula.

    Parameters
    ----------
    formula : str
        ``name = expression``

    Returns
    -------
    result : str
        The name on the left.
    inputs : list of str
        The names in the expression, in alphabetical order.
    expression : str

    Raises
    ------
    ValueError
        If it is no such formula.
    """
    try:
        (statement,) = ast.parse(formula.strip()).body
        assert isinstance(statement, ast.Assign)
        (target,) = statement.targets
        assert isinstance(target, ast.Name)
    except (SyntaxError, ValueError, AssertionError):
        raise ValueError(f"a formula reads `name = expression`, not {formula!r}") from None
    names = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
    return target.id, sorted(names - set(_KNOWN)), ast.unparse(statement.value)


class FormulaIOC(PVGroup):
    """What all formulas have in common; `create_ioc` adds inputs and result."""

    expression: Any = None
    inputs: tuple[str, ...] = ()

    proc: Final = pvproperty(value=0, doc="computes at once")

    @proc.putter
    async def _process(self, instance: Any, value: Any) -> int:
        await self.update()
        return 0

    def compute(self) -> float:
        """Return the result for the inputs as they are; NaN where there is none."""
        values = {name: self.attr_pvdb[f"input_{name}"].value for name in self.inputs}
        try:
            return float(eval(self.expression, {"__builtins__": {}, **_KNOWN}, values))
        except (ArithmeticError, ValueError):
            return math.nan

    async def update(self) -> None:
        """Compute again; the result is in alarm where there is none."""
        result, value = self.compute(), self.attr_pvdb["result_pv"]
        bad = math.isnan(result)
        if result == value.value or (bad and math.isnan(value.value)):
            return
        await value.write(
            result,
            status=AlarmStatus.CALC if bad else AlarmStatus.NO_ALARM,
            severity=AlarmSeverity.INVALID_ALARM if bad else AlarmSeverity.NO_ALARM,
        )


async def _scan(group: Any, instance: Any, async_lib: Any) -> None:
    await group.update()


async def _read(group: Any, instance: Any) -> None:
    await group.update()


def create_ioc(formula: str, **ioc_options: Any) -> FormulaIOC:
    """Make the group for a formula.

    Parameters
    ----------
    formula : str
    **ioc_options
        As for `PVGroup`.

    Raises
    ------
    ValueError
        If it is no formula.
    """
    result, inputs, expression = extract_names(formula)
    taken = {"proc", "formula", "out_postfix", "vars"} & {result, *inputs}
    if taken or result in inputs:
        raise ValueError(f"{formula!r} must name {(taken or {result}).pop()} otherwise")
    # The names of the attributes are ours; those of the PVs are the user's.
    body: dict[str, Any] = {
        f"input_{name}": pvproperty(value=0.0, name=name, doc="an input") for name in inputs
    }
    text: dict[str, Any] = {"dtype": ChannelType.STRING, "read_only": True}
    body.update(
        result_pv=pvproperty(
            value=0.0,
            name=result,
            get=_read,
            read_only=True,
            record="ai",
            alarm_group="result",
            doc=f"{result} = {expression}",
        ).scan(period=0.1)(_scan),
        formula=pvproperty(value=formula, read_only=True, doc="the formula"),
        out_postfix=pvproperty(value=result, doc="name of the result", **text),
        vars=pvproperty(
            value=inputs or [""], max_length=max(1, len(inputs)), doc="names of the inputs", **text
        ),
        inputs=tuple(inputs),
        expression=compile(expression, "<formula>", "eval"),
    )
    return type("Formula", (FormulaIOC,), body)(**ioc_options)  # type: ignore[no-any-return]


def main() -> None:
    """Run the IOC."""
    parser, split_args = template_arg_parser(default_prefix="Formula:", desc=__doc__ or "")
    parser.add_argument("--formula", required=True, help="for example 'y = a * sin(b)'")
    args = parser.parse_args()
    ioc_options, run_options = split_args(args)
    try:
        ioc = create_ioc(args.formula, **ioc_options)
    except ValueError as error:
        parser.error(str(error))
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
