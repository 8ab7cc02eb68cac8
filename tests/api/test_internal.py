"""What ComfyUI serves to its own front end: the log, the folders, the files in them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.api.running import Running, prepare, running, socket
from tests.api.test_running import shown


async def test_new_lines_of_the_log_are_told_to_who_follows_it(shared: Running) -> None:
    heard: dict[str, str] = {}
    async with socket(shared, "reader") as ws:
        assert (await ws.receive_json())["type"] == "status"
        for follow in (True, False, True):
            subscribed = shared.ask("PATCH", "/internal/logs/subscribe", {"clientId": "reader", "enabled": follow})
            assert subscribed.status == 200
            job = shared.submit(shown(8800 + len(heard)), client_id="elsewhere")
            shared.ended(job)
            heard[job] = ""
            while follow and f"job {job} done" not in heard[job]:
                message = await ws.receive_json(timeout=60)
                assert message["type"] in ("status", "logs")
                heard[job] += "".join(entry["m"] for entry in message["data"].get("entries", ()))
    _, unheard, _ = heard
    assert unheard not in "".join(heard.values())


def test_the_last_lines_of_the_log_are_kept(shared: Running) -> None:
    job = shared.submit(shown(8803))
    shared.ended(job)
    raw = shared.get("/internal/logs/raw")
    assert any(f"job {job} done" in entry["m"] for entry in raw["entries"])
    assert raw["size"].keys() == {"cols", "rows"}
    assert f"job {job} done" in shared.get("/internal/logs")
    assert len(raw["entries"]) <= 300


def test_an_unknown_client_cannot_follow(shared: Running) -> None:
    reply = shared.ask("PATCH", "/internal/logs/subscribe", {"clientId": "nobody", "enabled": True})
    assert reply.status == 404


def test_folders_are_named_from_the_base_folder_on(shared: Running) -> None:
    found = shared.get("/internal/folder_paths")
    assert found["loras"][0] == "models/loras"
    assert found["text_encoders"][:2] == ["models/text_encoders", "models/clip"]
    assert str(shared.base) not in str(found)


def test_files_are_listed_the_newest_first(tmp_path: Path) -> None:
    with running(prepare(tmp_path)) as server:
        for age, name in enumerate(("b.png", "a.png", "c.png")):
            path = tmp_path / "input" / name
            path.write_bytes(b"")
            os.utime(path, (1_000_000 - age, 1_000_000 - age))
        (tmp_path / "input" / "folder").mkdir()
        (tmp_path / "input" / "link.png").symlink_to("/etc/hostname")
        (tmp_path / "input" / "folder" / "d.png").write_bytes(b"")
        assert server.get("/internal/files/input") == ["b.png", "a.png", "c.png"]
        assert server.get("/internal/files/input?subfolder=folder") == ["d.png"]
        assert server.get("/internal/files/input?subfolder=nowhere") == []
        assert server.get("/internal/files/input?subfolder=b.png") == []
        assert server.ask("GET", "/internal/files/input?subfolder=../output").status == 400
        assert server.get("/internal/files/output") == []
        assert server.ask("GET", "/internal/files/user").status == 400
        assert server.ask("GET", "/internal/files/..%2finput").status in (400, 404)
