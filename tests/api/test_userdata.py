"""Moving what a user keeps on the server."""

from __future__ import annotations

import pytest

from tests.api.running import Running


def put(server: Running, path: str, text: bytes) -> None:
    assert server.ask("POST", f"/userdata/{path.replace('/', '%2F')}", text).status == 200


def read(server: Running, path: str) -> bytes | None:
    reply = server.ask("GET", f"/userdata/{path.replace('/', '%2F')}")
    return reply.body if reply.status == 200 else None


def test_a_file_is_moved_into_a_new_folder(shared: Running) -> None:
    put(shared, "moving/a.json", b"1")
    assert shared.post("/userdata/moving%2Fa.json/move/moving%2Fdeep%2Fb.json?overwrite=false", {}) == (
        "moving/deep/b.json"
    )
    assert (read(shared, "moving/a.json"), read(shared, "moving/deep/b.json")) == (None, b"1")


@pytest.mark.parametrize(
    ("target", "status", "why"),
    [
        ("kept%2Fother.json?overwrite=false", 409, "There is a file of this name."),
        ("kept%2Ffolder", 400, "There is a folder of this name."),
        ("kept%2Fother.json%2Fb.json", 400, "'kept/other.json' is a file, not a folder."),
    ],
)
def test_what_is_in_the_way_is_said_and_nothing_moves(shared: Running, target: str, status: int, why: str) -> None:
    put(shared, "kept/mine.json", b"mine")
    put(shared, "kept/other.json", b"other")
    put(shared, "kept/folder/c.json", b"c")
    reply = shared.ask("POST", f"/userdata/kept%2Fmine.json/move/{target}")
    assert (reply.status, reply.json["error"]["message"]) == (status, why)
    assert read(shared, "kept/mine.json") == b"mine"
    assert read(shared, "kept/other.json") == b"other"
    assert read(shared, "kept/folder/mine.json") is None


def test_no_file_is_written_into_a_file(shared: Running) -> None:
    put(shared, "flat.json", b"{}")
    reply = shared.ask("POST", "/userdata/flat.json%2Fbelow.json", b"{}")
    assert (reply.status, reply.json["error"]["message"]) == (400, "'flat.json' is a file, not a folder.")
    assert read(shared, "flat.json") == b"{}"
