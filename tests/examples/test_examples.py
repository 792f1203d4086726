"""Each example as a program of its own, read, written and monitored by a client on libca."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import caproto.ioc_examples
from tests.conftest import MakeOurIoc
from tests.support import LibcaClient, OurIoc, loopback_env, run_libca

SOURCE = """
import sys
sys.path.insert(0, "")
from tests.examples import sessions
sessions.main(vars(sessions))
"""
TESTS = Path(__file__).resolve().parent.parent

PVS = {
    "simple": "simple: A B C",
    "scalars_and_arrays": "arr: scalar_int scalar_int2 array_int scalar_float array_float scalar_string "
    "array_string byte char enum",
    "enums": "enum: bo bi mbbi enum_class",
    "macros": "macros: BL7:slit.VAL BL7:slit.RBV",
    "subgroups": "subgroups: group1:random group2:random group3:random",
    "setpoint_rbv_pair": "setpoint_rbv: pair pair_RBV pair2 pair2_RBV pair3 pair3_RBV",
    "custom_write": "custom_write: directory A B",
    "skip_write": "skip: value",
    "decay": "decay: I done SP K Tvar",
    "chirp": "chirp: chirp steady",
    "inline_style": "inline_style: random_int random_str A",
    "mini_beamline": "mini: current ph:det ph:mtr ph:exp ph:vel ph:mtr_tick_rate edge:det edge:mtr edge:exp "
    "edge:vel edge:mtr_tick_rate slit:det slit:mtr slit:exp slit:vel slit:mtr_tick_rate dot:det dot:img_sum "
    "dot:mtrx dot:mtry dot:exp dot:shutter_open dot:ArraySizeY_RBV dot:ArraySizeX_RBV dot:ArraySize_RBV",
    "thermo_sim": "thermo: I SP K omega Tvar",
    "lakeshore": "Lakeshore: Kp Kp_rbv Ki Ki_rbv Kd Kd_rbv ramp_rate ramp_rate_rbv setpoint setpoint_rbv feedback "
    "feedback_rbv output output_rbv",
    "rpc_function": "rpc: fixed_random get_random:low get_random:high get_random:Status get_random:Retval "
    "get_random:Process",
    "states": "state: value disable_state enable_state my_stately_state",
    "worker_thread": "wt: request response",
    "worker_thread_pc": "wt: request",
    "no_pvproperty": "pvspec: a b c",
    "simple_with_type_hints": "simple: A B C D",
    "formula_ioc": "Formula: proc a b y formula out_postfix vars",
    "big_image_noisy_neighbor": "big_image: t1 image",
    # These have a test of their own below.
    "startup_and_shutdown_hooks": "simple: thing",
    "io_interrupt": "io: keypress",
    "mirror": "mirror: value",
    "client_monitor_async": "mirror: mirrored",
}
"""The prefix of each example, and its PVs; the names are those of the original's examples."""
OWN_TEST = {"startup_and_shutdown_hooks", "io_interrupt", "mirror", "client_monitor_async"}
ARGUMENTS = {
    "macros": ("--beamline", "BL7", "--suffix", "slit"),
    "chirp": ("--ramprate", "0.25"),
    "formula_ioc": ("--formula", "y = sqrt(a) * b"),
}


def pv_names(example: str) -> list[str]:
    prefix, *names = PVS[example].split()
    return [prefix + name for name in names]


def start(make: MakeOurIoc, example: str, *arguments: str, **options: Any) -> OurIoc:
    """Start an example, and see that it lists its PVs."""
    ioc = make(
        f"caproto.ioc_examples.{example}",
        pv_names(example)[0],
        "--list-pvs",
        *ARGUMENTS.get(example, ()),
        *arguments,
        **options,
    )
    listed = ioc.wait_for_output(r"PVs available:\n((    \S+\n)+)")
    assert sorted(listed.group(1).split()) == sorted(pv_names(example))
    return ioc


@pytest.mark.parametrize("example", [name for name in PVS if name not in OWN_TEST])
def test_example(example: str, make_our_ioc: MakeOurIoc) -> None:
    ioc = start(make_our_ioc, example)
    run_libca(SOURCE, example, env=ioc.client_env(EPICS_CA_MAX_ARRAY_BYTES="16000000"))
    assert ioc.stop() == 0
    if example not in (
        "custom_write",
        "rpc_function",
        "no_pvproperty",
    ):  # whose refusals are logged
        assert "Traceback" not in ioc.output


def test_hooks_are_called_in_order_and_at_the_end(make_our_ioc: MakeOurIoc) -> None:
    ioc = start(make_our_ioc, "startup_and_shutdown_hooks")
    run_libca(SOURCE, "startup_and_shutdown_hooks", env=ioc.client_env())
    assert ioc.stop() == 0
    told = [line for line in ioc.output.splitlines() if line.startswith("The ")]
    assert told == [
        "The startup hook of the server is called",
        "The startup hook of simple:thing is called, on asyncio",
        "The startup hook of the server is cancelled",
        "The shutdown hook of simple:thing is called",
    ]


def test_keys_become_updates(make_our_ioc: MakeOurIoc) -> None:
    ioc = start(make_our_ioc, "io_interrupt")
    with LibcaClient(SOURCE, "io_interrupt", env=ioc.client_env()) as client:
        assert client.next_event() == "ready for keys"
        ioc.send_line("k")
        assert client.next_event() == "done"
    assert ioc.stop() == 0
    assert "Traceback" not in ioc.output


@pytest.mark.parametrize("example", ["mirror", "client_monitor_async"])
def test_an_ioc_may_be_a_client(example: str, make_our_ioc: MakeOurIoc) -> None:
    simple = start(make_our_ioc, "simple")
    target = ("--target", "simple:A") if example == "mirror" else ()
    ioc = start(
        make_our_ioc,
        example,
        *target,
        extra_env={"EPICS_CA_ADDR_LIST": f"127.0.0.1:{simple.port}"},
    )
    env = loopback_env([ioc.port, simple.port], ioc.repeater_port)
    with LibcaClient(SOURCE, example, env=env) as client:
        assert client.next_event() == "stop simple"
        simple.stop()
        assert client.next_event() == "done"
    assert ioc.stop() == 0
    assert "Traceback" not in ioc.output


# --- what goes for all ---

MODULES = pkgutil.iter_modules(caproto.ioc_examples.__path__)
ALL = sorted(module.name for module in MODULES if not module.name.startswith("_"))


@pytest.mark.parametrize("example", ALL)
def test_every_example_is_tested_documented_and_runnable(example: str) -> None:
    if example not in PVS:
        tests = [path.read_text() for path in TESTS.rglob("test_*.py")]
        assert any(f"caproto.ioc_examples.{example}" in text for text in tests)
    module = importlib.import_module(f"caproto.ioc_examples.{example}")
    assert module.__doc__
    assert callable(module.main)
    source = Path(str(module.__file__)).read_text()
    assert re.search(r'if __name__ == "__main__":\n    main\(\)', source)


@pytest.mark.parametrize("example", PVS)
def test_the_docstring_names_the_pvs(example: str) -> None:
    doc = importlib.import_module(f"caproto.ioc_examples.{example}").__doc__
    assert doc is not None
    assert "\nPVs\n---\n" in doc
