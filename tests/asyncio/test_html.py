"""What the main objects show in a notebook; names and texts of others are escaped."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from caproto import (
    ChannelDouble,
    ChannelEnum,
    ChannelInteger,
    ChannelType,
    ErrorResponse,
    ReadNotifyResponse,
    WriteRequest,
)
from caproto.asyncio.client import Context, caget, cainfo
from caproto.server import PVGroup, pvproperty
from caproto.testing import serve

EVIL = "<script>alert('&')</script>"
NAME = "<b>pv</b>&'1'"


class Texts(HTMLParser):
    """The texts of all cells; only the tags of a table may be there."""

    def __init__(self, item: Any) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(item._repr_html_())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in ("table", "caption", "tr", "th", "td")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def texts(item: Any) -> list[str]:
    return Texts(item).texts


async def test_values_and_info_of_the_short_functions() -> None:
    pvs = {
        NAME: ChannelDouble(value=2.5, units=EVIL[:7], upper_ctrl_limit=9.0),
        "mode": ChannelEnum(value=1, enum_strings=["<off>", "<on>"]),
    }
    with serve(pvs) as ioc:
        ioc.set(NAME, severity="MAJOR", status="HIHI")
        shown = texts(await caget(NAME))
        for text in (NAME, "2.5", EVIL[:7], "MAJOR_ALARM HIHI", "upper ctrl limit", "9.0"):
            assert text in shown
        shown = texts(await caget("mode"))
        assert "<on> (1)" in shown
        assert "<off>, <on>" in shown
        info = await cainfo(NAME)
        shown = texts(info)
        for text in (NAME, f"127.0.0.1:{ioc.port}", "DOUBLE", "read, write", "4.13"):
            assert text in shown
        assert "read, write" in str(info)


async def test_responses() -> None:
    with serve({"pv": [1.5] * 10_000}) as ioc:
        async with Context() as ctx:
            (pv,) = await ctx.get_pvs("pv")
            response = await pv.read(data_type="time", timeout=20)
        assert isinstance(response, ReadNotifyResponse)
        shown = texts(response)
        assert "ReadNotifyResponse" in shown
        assert "10000" in shown
        assert len(response._repr_html_()) < 4000
        assert ioc.written == []


def test_messages_with_texts_of_others() -> None:
    request = WriteRequest([EVIL[:39].encode()], ChannelType.STRING, 1, 1, 1)
    assert any("script" in text for text in texts(request))
    error = ErrorResponse(request, 1, 48, EVIL)
    assert any("script" in text for text in texts(error))


@pytest.mark.parametrize("count", [1, 100_000])
def test_data_of_a_pv(count: int) -> None:
    data = ChannelInteger(value=[7] * count, units=EVIL[:7])
    shown = texts(data)
    for text in ("ChannelInteger", "LONG", EVIL[:7], f"{count} of {count}", "NO_ALARM NO_ALARM"):
        assert text in shown
    assert len(data._repr_html_()) < 2000


def test_a_group() -> None:
    class Sub(PVGroup):
        mode = pvproperty(value=EVIL)
        temperature = pvproperty(value=3.5, units="<K>", name=NAME)

    group = Sub("<my>:")
    shown = texts(group)
    for text in (f"<my>:{NAME}", "temperature", "3.5", "<K>", "DOUBLE", "Sub <my>:"):
        assert text in shown
    assert any(EVIL[:7] in text for text in shown)
    assert f"<my>:{NAME}" in texts(group.temperature)
