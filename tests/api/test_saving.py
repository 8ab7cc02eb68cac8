"""Two who edit the same file: who did not see the other's version does not write over it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.api.running import Reply, Running


def write(server: Running, name: str, body: bytes, known: str | None = None) -> Reply:
    return server.ask("POST", f"/userdata/workflows%2F{name}", body, {"If-Match": known} if known else None)


def read(server: Running, name: str) -> Reply:
    return server.ask("GET", f"/userdata/workflows%2F{name}")


def test_who_knows_the_newest_version_replaces_it(shared: Running) -> None:
    first = write(shared, "mine.json", b"{}")
    assert first.headers["ETag"] == read(shared, "mine.json").headers["ETag"]
    second = write(shared, "mine.json", b'{"a": 1}', first.headers["ETag"])
    assert second.status == 200
    assert read(shared, "mine.json").body == b'{"a": 1}'
    assert second.headers["ETag"] == read(shared, "mine.json").headers["ETag"]


def test_who_knows_an_older_one_is_told_and_nothing_is_written(shared: Running) -> None:
    old = write(shared, "ours.json", b"first").headers["ETag"]
    write(shared, "ours.json", b"second one")
    refused = write(shared, "ours.json", b"third", old)
    assert refused.status == 412
    assert refused.json["error"]["message"] == "The file was changed since it was read."
    assert read(shared, "ours.json").body == b"second one"


def test_what_was_deleted_is_not_written_again_unasked(shared: Running) -> None:
    old = write(shared, "gone.json", b"{}").headers["ETag"]
    assert shared.ask("DELETE", "/userdata/workflows%2Fgone.json").status == 204
    assert write(shared, "gone.json", b"{}", old).status == 412
    assert write(shared, "gone.json", b"{}").status == 200


def test_of_many_at_once_one_wins(shared: Running) -> None:
    known = write(shared, "race.json", b"before").headers["ETag"]
    bodies = [b"%d" % i * (i + 1) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda body: write(shared, "race.json", body, known), bodies))
    assert sorted(reply.status for reply in replies) == [200] + 7 * [412]
    [won] = [body for body, reply in zip(bodies, replies, strict=True) if reply.status == 200]
    assert read(shared, "race.json").body == won
