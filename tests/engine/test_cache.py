"""The cache: bounded in bytes, pinned while needed, whole on disk or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nodes.define import Blocked, Saved, Shown
from server.engine.cache import Cache, Disk, Entry
from tests.engine.toys import JsonCodec, Thing

CODEC = JsonCodec()
LONG = 100.0


def entry(size: int = 100, mark: str = "x") -> Entry:
    return Entry(((mark * size,),))


def keys(count: int) -> list[str]:
    return [f"{i:02}" + "0" * 62 for i in range(count)]


def test_the_longest_unused_go_first() -> None:
    cache = Cache(CODEC, memory_bytes=600)
    first, second, third, *_ = keys(3)
    cache.put(first, entry(180), LONG)
    cache.put(second, entry(180), LONG)
    assert cache.get(first) == entry(180)
    cache.put(third, entry(180), LONG)
    assert [key in cache for key in (first, second, third)] == [True, False, True]
    assert cache.used_bytes <= 600


def test_what_is_pinned_stays_until_it_is_let_go() -> None:
    cache = Cache(CODEC, memory_bytes=600)
    names = keys(6)
    with cache.pinned(names[:4]):
        for name in names:
            cache.put(name, entry(200), LONG)
        assert [name in cache for name in names] == [True, True, True, True, False, False]
        cache.unpin(names[0])
        cache.put(names[5], entry(10), LONG)
        assert [name in cache for name in names] == [False, True, True, True, False, False]
    assert cache.used_bytes <= 600


def test_memory_is_counted_exactly() -> None:
    cache = Cache(CODEC, memory_bytes=10_000)
    for name in keys(5) * 3:
        cache.put(name, entry(100), LONG)
    assert cache.used_bytes == 5 * (64 + CODEC.size("x" * 100))
    for name in keys(5):
        cache.drop(name)
    assert cache.used_bytes == 0


VALUES: list[Entry] = [
    Entry(((1, 2.5, "x", None, True),)),
    Entry(((), (Blocked("no"), Blocked()))),
    Entry((), Shown({"images": [Saved("a.png", "sub", "temp")]}, {"text": ["x"]})),
    Entry((([1, [2]],),), None, {".0.1": Shown(data={"text": [1]})}),
]


@pytest.mark.parametrize("value", VALUES)
def test_disk_gives_back_what_it_got(tmp_path: Path, value: Entry) -> None:
    Disk(tmp_path, CODEC).put("ab", value, LONG)
    assert Disk(tmp_path, CODEC).get("ab") == value


def test_what_cannot_be_stored_is_not(tmp_path: Path) -> None:
    disk = Disk(tmp_path, CODEC)
    disk.put("ab", Entry(((Thing("x"),),)), LONG)
    assert "ab" not in disk
    assert disk.get("ab") is None


def test_what_is_quicker_made_than_read_is_not_stored(tmp_path: Path) -> None:
    disk = Disk(tmp_path, CODEC)
    disk.put("ab", entry(10), 0.0001)
    assert "ab" not in disk
    disk.put("ab", entry(10), 1.0)
    assert "ab" in disk
    disk.put("cd", entry(10_000_000), 0.02)
    assert "cd" not in disk


def test_what_was_shown_is_always_stored_and_replaced(tmp_path: Path) -> None:
    disk = Disk(tmp_path, CODEC)
    for name in ("a.png", "b.png"):
        disk.put("ab", Entry((), Shown.images([Saved(name)])), 0.0)
    assert disk.get("ab") == Entry((), Shown.images([Saved("b.png")]))


@pytest.mark.parametrize("at", [0, 1, 7, 8, 9, 39, 40, 41, 60, -1])
@pytest.mark.parametrize("damage", ["cut", "flip", "insert"])
def test_a_damaged_entry_is_dropped(tmp_path: Path, at: int, damage: str) -> None:
    disk = Disk(tmp_path, CODEC)
    disk.put("ab", entry(100), LONG)
    path = tmp_path / "ab" / "ab"
    data = path.read_bytes()
    at %= len(data)
    broken = {
        "cut": data[:at],
        "flip": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
        "insert": data[:at] + b"\0" + data[at:],
    }
    path.write_bytes(broken[damage])
    assert disk.get("ab") is None
    assert not path.exists()
    disk.put("ab", entry(100), LONG)
    assert disk.get("ab") == entry(100)


def test_an_entry_of_another_version_is_dropped(tmp_path: Path) -> None:
    disk = Disk(tmp_path, CODEC)

    class Old(JsonCodec):
        def encode(self, value: object, /) -> bytes | None:
            return b'{"future": []}'

    Disk(tmp_path, Old()).put("ab", entry(), LONG)
    assert disk.get("ab") is None
    assert "ab" not in disk


def test_disk_stays_within_its_limit_and_keeps_what_was_used(tmp_path: Path) -> None:
    disk = Disk(tmp_path, CODEC, limit_bytes=5_000)
    names = keys(30)
    disk.put(names[0], entry(400), LONG)
    for place, name in enumerate(names[1:], 1):
        os.utime(tmp_path / names[0][:2] / names[0], (2e9, 2e9))
        disk.put(name, entry(400), LONG)
        os.utime(tmp_path / name[:2] / name, (1e9 + place, 1e9 + place))
    used = sum(path.stat().st_size for path in tmp_path.glob("*/*"))
    assert used <= 5_000
    assert names[0] in disk
    assert names[-1] in disk
    assert names[1] not in disk


def test_an_entry_larger_than_the_disks_limit_is_not_stored(tmp_path: Path) -> None:
    disk = Disk(tmp_path, CODEC, limit_bytes=1_000)
    disk.put("ab", entry(10_000), LONG)
    assert list(tmp_path.rglob("*")) == []


def test_reading_counts_as_use(tmp_path: Path) -> None:
    disk = Disk(tmp_path, CODEC)
    disk.put("ab", entry(), LONG)
    os.utime(tmp_path / "ab" / "ab", (1e9, 1e9))
    disk.get("ab")
    assert (tmp_path / "ab" / "ab").stat().st_mtime > 1.5e9


def test_leftovers_of_a_dead_process_are_removed_and_others_left(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    old, young = tmp_path / "ab" / ".tmp-1", tmp_path / "ab" / ".tmp-2"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    Disk(tmp_path, CODEC).put("abc", entry(), LONG)
    assert not old.exists()
    assert young.exists()


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from server.engine.cache import Disk, Entry\n"
        "from tests.engine.toys import JsonCodec\n"
        "disk = Disk(Path(sys.argv[1]), JsonCodec(), 20_000)\n"
        "for i in range(60):\n"
        "    name = f'{i % 20:02}' + sys.argv[2] * 3\n"
        "    disk.put(name, Entry((('x' * 700,),)), 9.0)\n"
        "    found = disk.get(f'{i % 20:02}aaa')\n"
        "    assert found is None or found == Entry((('x' * 700,),)), found\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=Path(__file__).parents[2])
        for name in ("a", "b")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert list(tmp_path.glob("*/.tmp-*")) == []


def test_clearing_forgets_both_tiers(tmp_path: Path) -> None:
    cache = Cache(CODEC, disk=Disk(tmp_path, CODEC))
    cache.put("ab", entry(), LONG)
    cache.clear()
    assert "ab" in cache
    cache.clear(disk=True)
    assert "ab" not in cache
    assert cache.used_bytes == 0


def test_a_disk_that_cannot_be_written_is_complained_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    disk = Disk(tmp_path / "file", CODEC)
    disk.put("ab", entry(), LONG)
    disk.put("cd", entry(), LONG)
    assert len(caplog.records) == 1
    assert "cannot be kept" in caplog.text
