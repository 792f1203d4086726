"""The tree of exceptions: what each is an instance of, what it carries, that it survives pickling."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import re
import subprocess

import pytest

from caproto import _errors
from tests.support import python_command

ERRORS = [getattr(_errors, name) for name in _errors.__all__]
OWN_ERRORS = [error for error in ERRORS if issubclass(error, _errors.CaprotoError)]


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (_errors.CaprotoAttributeError, AttributeError),
        (_errors.CaprotoConversionError, _errors.CaprotoValueError),
        (_errors.CaprotoKeyError, KeyError),
        (_errors.CaprotoNetworkError, OSError),
        (_errors.CaprotoNotImplementedError, NotImplementedError),
        (_errors.CaprotoRuntimeError, RuntimeError),
        (_errors.CaprotoTimeoutError, TimeoutError),
        (_errors.CaprotoTimeoutError, asyncio.TimeoutError),
        (_errors.CaprotoTypeError, TypeError),
        (_errors.CaprotoValueError, ValueError),
        (_errors.CAStatusError, _errors.ErrorResponseReceived),
        (_errors.ContextDisconnectedError, _errors.ThreadingClientException),
        (_errors.DisconnectedError, _errors.ThreadingClientException),
        (_errors.LocalProtocolError, _errors.ProtocolError),
        (_errors.RemoteProtocolError, _errors.ProtocolError),
        (_errors.RepeaterAlreadyRunning, RuntimeError),
    ],
)
def test_an_error_can_be_caught_as_its_built_in_kind(
    error: type[Exception], base: type[Exception]
) -> None:
    assert issubclass(error, base)
    with pytest.raises(base, match="what happened"):
        raise error("what happened")


def test_everything_but_control_flow_is_a_caproto_error() -> None:
    assert [error for error in ERRORS if error not in OWN_ERRORS] == [_errors.SkipWrite]


def test_the_module_exports_every_class_that_it_defines() -> None:
    defined = {
        name
        for name, item in inspect.getmembers(_errors, inspect.isclass)
        if item.__module__ == _errors.__name__
    }
    assert defined == set(_errors.__all__)


def test_the_tree_at_the_top_of_the_file_is_the_real_one() -> None:
    lines = re.findall(r"^ {4}([│ ]*)[├└]── (\w+)", _errors.__doc__ or "", re.MULTILINE)
    parents: list[type] = [Exception]
    drawn = set()
    for indent, name in lines:
        depth = len(indent) // 4 + 1
        error = getattr(_errors, name)
        assert issubclass(error, parents[depth - 1]), name
        parents[depth:] = [error]
        drawn.add(name)
    assert drawn == set(_errors.__all__)


@pytest.mark.parametrize("error", OWN_ERRORS)
def test_fields_are_none_unless_given(error: type[_errors.CaprotoError]) -> None:
    raised = error("what happened")
    assert str(raised) == "what happened"
    assert (raised.pv_name, raised.address, raised.status, raised.response) == (None,) * 4


@pytest.mark.parametrize("error", OWN_ERRORS)
def test_message_and_fields_survive_pickling(error: type[_errors.CaprotoError]) -> None:
    raised = error("what happened", pv_name="x", address=("h", 5064), status=1, response=b"2")
    copy = pickle.loads(pickle.dumps(raised))
    assert type(copy) is error
    assert str(copy) == "what happened"
    assert (copy.pv_name, copy.address) == ("x", ("h", 5064))
    assert (copy.status, copy.response) == (1, b"2")


def test_a_timeout_tells_its_stage() -> None:
    raised = _errors.CaprotoTimeoutError(
        "late", pv_name="x", stage="search", timeout=2.0, searched=[("10.0.0.255", 5064)]
    )
    copy = pickle.loads(pickle.dumps(raised))
    for each in (raised, copy):
        assert (each.stage, each.timeout) == ("search", 2.0)
        assert each.searched == (("10.0.0.255", 5064),)
    assert _errors.CaprotoTimeoutError("late").stage is None


def test_a_key_error_prints_its_message_without_quotes() -> None:
    assert str(_errors.CaprotoKeyError("no PV 'x' here")) == "no PV 'x' here"
    assert str(KeyError("no PV 'x' here")) != "no PV 'x' here"


def test_a_network_error_takes_an_errno_like_os_error() -> None:
    raised = _errors.CaprotoNetworkError(111, "refused", address=("h", 1))
    assert (raised.errno, raised.strerror, raised.address) == (111, "refused", ("h", 1))
    assert str(pickle.loads(pickle.dumps(raised))) == "[Errno 111] refused"


def test_importing_the_errors_does_not_import_asyncio_where_it_need_not() -> None:
    # Python 3.10 has no other way to make the timeout an asyncio.TimeoutError.
    program = (
        "import sys, importlib.util as u;"
        f"spec = u.spec_from_file_location('errors', {_errors.__file__!r});"
        "module = u.module_from_spec(spec); spec.loader.exec_module(module);"
        "print('asyncio' in sys.modules, sys.version_info < (3, 11))"
    )
    done = subprocess.run(python_command("-c", program), capture_output=True, text=True, check=True)
    loaded, needed = done.stdout.split()
    assert loaded == needed
