"""The job database as its users hold it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.jobs.store import Store


async def test_a_write_that_cannot_be_done_fails_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    await store.open()
    try:
        writes = [store.remember(key, value) for key, value in (("a", "1"), ("b", "\ud800"), ("c", "3"))]
        done = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 20)
        assert [type(each) for each in done] == [type(None), UnicodeEncodeError, type(None)]
        assert [await store.remembered(key) for key in ("a", "b", "c")] == ["1", None, "3"]
        with pytest.raises(OverflowError):
            await asyncio.wait_for(store.move("nobody", 10**400), 20)
        await store.remember("d", "4")
        assert await store.remembered("d") == "4"
    finally:
        await store.close()
