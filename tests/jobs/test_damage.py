"""Files of the server's own that are cut short or overwritten: noticed, put right, and said."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from server.jobs import schema
from server.jobs.schema import UnusableStore, back_up, open_store
from tests.api.running import Running, prepare, report
from tests.workers.test_deaths import number, through


def filled(base: Path) -> tuple[list[str], list[str]]:
    """A folder in which a server has been: ended jobs and waiting jobs."""
    server = Running(prepare(base), {"custom_nodes": True}).start()
    try:
        ended = [server.submit(through("ToyWait", seconds=0.2 + n / 100, steps=2)) for n in range(4)]
        for job in ended:
            server.ended(job)
        server.post("/settings", {"Some.Setting": 5})
        server.post("/api/queue/pause")
        waiting = [server.submit(number(n)) for n in range(4)]
    finally:
        server.stop()
    return ended, waiting


def after_damage(base: Path, path: Path, damage: Any) -> dict[str, Any]:
    """What a server makes of a folder in which a file was damaged."""
    kept = {p: p.read_bytes() for p in base.rglob("*") if p.is_file()}
    damage(path)
    server = Running(base, {"custom_nodes": True}).start()
    try:
        known = {job["id"]: job["state"] for job in server.get("/api/jobs")["jobs"]}
        paused = server.get("/queue")["paused"]
        settings = server.get("/settings")
        server.post("/api/queue/resume")
        new = server.ended(server.submit(through("ToyWait", seconds=0.2, steps=2)))["state"]
    finally:
        server.stop()
        for p in [p for p in base.rglob("*") if p.is_file()]:
            p.unlink()
        for p, content in kept.items():
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_bytes(content)
    return {"known": known, "paused": paused, "settings": settings, "new": new}


def cut(at: float) -> Any:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * at)])

    return damage


def scramble(seed: int) -> Any:
    def damage(path: Path) -> None:
        chance = random.Random(seed)
        content = bytearray(path.read_bytes())
        at = chance.randrange(0, max(1, len(content) - 64))
        content[at : at + 64] = chance.randbytes(64)
        path.write_bytes(bytes(content))

    return damage


def table(base: Path, damages: dict[str, Any]) -> dict[str, dict[str, Any]]:
    filled(base)
    state = base / "user" / ".sfumato"
    files = {
        "jobs": state / "jobs.sqlite",
        "catalogue": state / "catalogue.json",
        "start mark": state / "starts" / "cpu",
        "packs": state / "packs-cpu.json",
        "settings": base / "user" / "default" / "comfy.settings.json",
        "result": max((p for p in (state / "results").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size),
    }
    return {
        f"{kind}: {name}": after_damage(base, path, damage)
        for kind, path in files.items()
        for name, damage in damages.items()
    }


def check(found: dict[str, dict[str, Any]]) -> None:
    for case, what in found.items():
        report(f"  {case}: {len(what['known'])} jobs known, new job {what['new']}, {what['paused'] or 'not paused'}")
    assert {what["new"] for what in found.values()} == {"done"}
    for case, what in found.items():
        if not case.startswith("jobs"):
            assert len(what["known"]) == 8, case
        else:
            assert len(what["known"]) == 8 or "damaged" in what["paused"], case


def test_damaged_files_are_noticed(tmp_path: Path) -> None:
    check(table(tmp_path, {"half": cut(0.5)}))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_files_cut_and_scrambled_everywhere(tmp_path: Path) -> None:
    cuts = {f"cut at {at:.0%}": cut(at) for at in (0, 0.01, 0.1, 0.25, 0.4, 0.6, 0.75, 0.9, 0.99)}
    check(table(tmp_path, cuts | {f"scrambled {seed}": scramble(seed) for seed in range(6)}))


@pytest.mark.parametrize("at", [0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_damaged_database_is_put_together_again(tmp_path: Path, at: float) -> None:
    path = tmp_path / "jobs.sqlite"
    connection = open_store(path).connection
    for n in range(300):
        connection.execute(
            "INSERT INTO jobs (id, number, state, prompt, targets, extra, words, created_ms) "
            "VALUES (?, 0, 'queued', ?, '[]', '{}', '', 0)",
            (f"job {n}", "{}" * 200),
        )
    connection.close()
    back_up(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * at)])
    opened = open_store(path)
    assert "was damaged" in opened.repaired
    assert opened.connection.execute("SELECT COUNT(*) FROM jobs").fetchone() == (300,)
    assert opened.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    opened.connection.close()
    assert list(tmp_path.glob("jobs.damaged-*"))


def test_a_job_whose_text_is_none_is_taken_from_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    connection = open_store(path).connection
    connection.executemany(
        "INSERT INTO jobs (id, number, state, prompt, targets, extra, words, created_ms) "
        "VALUES (?, 0, 'queued', '{}', '[]', '{}', '', 0)",
        [(f"job {n}",) for n in range(30)],
    )
    back_up(path)
    connection.execute("UPDATE jobs SET prompt = CAST(x'80ff' AS TEXT) WHERE id = 'job 15'")
    connection.close()
    opened = open_store(path)
    assert "was damaged" in opened.repaired
    assert {prompt for (prompt,) in opened.connection.execute("SELECT prompt FROM jobs")} == {"{}"}
    assert opened.connection.execute("SELECT COUNT(*) FROM jobs").fetchone() == (30,)
    opened.connection.close()


def test_what_can_be_read_is_saved_without_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    connection = open_store(path).connection
    for n in range(300):
        connection.execute(
            "INSERT INTO jobs (id, number, state, prompt, targets, extra, words, created_ms) "
            "VALUES (?, 0, 'queued', ?, '[]', '{}', '', 0)",
            (f"job {n}", "{}" * 200),
        )
    connection.close()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)])
    opened = open_store(path)
    (saved,) = opened.connection.execute("SELECT COUNT(*) FROM jobs").fetchone()
    opened.connection.close()
    assert 0 < saved < 300


def test_an_older_database_is_backed_up_and_migrated(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    open_store(path).connection.close()
    newer = (*schema.MIGRATIONS, "ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'")
    opened = open_store(path, newer)
    assert opened.connection.execute("PRAGMA user_version").fetchone() == (2,)
    opened.connection.execute("SELECT colour FROM jobs")
    opened.connection.close()
    backup = sqlite3.connect(tmp_path / "jobs.sqlite.backup")
    assert backup.execute("PRAGMA user_version").fetchone() == (1,)
    backup.close()
    with pytest.raises(UnusableStore, match="newer Sfumato"):
        open_store(path)
