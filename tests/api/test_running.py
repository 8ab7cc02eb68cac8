"""Submitting, running and hearing of it: ComfyUI's answers, messages and orders."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.api.running import Running, chain, messages_until_end, prepare, running, socket

NUMBER = {"class_type": "ToyNumber", "inputs": {"value": 5}}


def shown(value: int, **more: Any) -> dict[str, Any]:
    number = {"class_type": "ToyNumber", "inputs": {"value": value}}
    return {"1": number, "2": {"class_type": "ToyShow", "inputs": {"value": ["1", 0]}}, **more}


def told(heard: list[Any]) -> list[str]:
    """Messages in short: their types, with the node where there is one."""
    names: list[str] = []
    for message in heard:
        data = message["data"]
        match message["type"]:
            case "status":
                names.append(f"status {data['status']['exec_info']['queue_remaining']}")
            case "executing" | "executed":
                names.append(f"{message['type']} {data['node']}")
            case "progress_state":
                states = {node: state["state"] for node, state in data["nodes"].items()}
                names.append("progress_state " + ",".join(f"{n}:{s}" for n, s in states.items()))
            case "execution_cached":
                names.append("execution_cached " + ",".join(data["nodes"]))
            case name:
                names.append(name)
    return names


async def test_messages_come_in_comfyuis_order(shared: Running) -> None:
    async with socket(shared, "order") as ws:
        first = await ws.receive_json()
        assert first == {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "order"}}
        job = shared.submit(shown(41), client_id="order")
        fresh = told(await messages_until_end(ws, job))
        shared.submit(shown(41), client_id="order")
        again = told(await messages_until_end(ws))
    assert fresh == [
        "status 1",
        "status 1",
        "execution_start",
        "execution_cached ",
        "progress_state 1:running",
        "executing 1",
        "progress_state 1:finished,2:running",
        "executing 2",
        "executed 2",
        "progress_state 1:finished,2:finished",
        "execution_success",
        "status 0",
        "executing None",
    ]
    assert again == [
        "status 1",
        "status 1",
        "execution_start",
        "execution_cached 1,2",
        "executed 2",
        "progress_state 2:finished",
        "execution_success",
        "status 0",
        "executing None",
    ]


async def test_nodes_inside_an_expansion_are_told_of_with_the_node_they_belong_to(shared: Running) -> None:
    prompt = shown(77, x={"class_type": "ToyInside", "inputs": {"value": ["1", 0]}})
    prompt["2"]["inputs"]["value"] = ["x", 0]
    async with socket(shared, "inside") as ws:
        runs: list[dict[str, Any]] = []
        inner = ""
        for _ in range(2):
            job = shared.submit(prompt, client_id="inside")
            heard = await messages_until_end(ws, job)
            runs.append({m["data"]["node"]: m["data"]["display_node"] for m in heard if m["type"] == "executed"})
            about = shared.get(f"/history/{job}")[job]["meta"]
            inner = next(node for node in about if node.startswith("x."))
            assert about[inner] == {"node_id": inner, "display_node": "x", "parent_node": "x", "real_node_id": "x"}
            assert about["2"] == {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}
            states = [m["data"]["nodes"] for m in heard if m["type"] == "progress_state"]
            about_inner = [state[inner] for state in states if inner in state]
            assert {(s["display_node_id"], s["parent_node_id"], s["real_node_id"]) for s in about_inner} <= {
                ("x", "x", "x")
            }
    assert runs == [{inner: "x", "2": "2"}] * 2


async def test_a_failure_names_the_node_and_the_rest_follows(shared: Running) -> None:
    prompt = shown(42, **{"3": {"class_type": "ToyDie", "inputs": {"value": ["1", 0], "how": "error"}}})
    prompt["2"]["inputs"]["value"] = ["3", 0]
    async with socket(shared, "failure") as ws:
        job = shared.submit(prompt, client_id="failure")
        heard = await messages_until_end(ws, job)
    assert told(heard)[-3:] == ["execution_error", "status 0", "executing None"]
    error = next(message["data"] for message in heard if message["type"] == "execution_error")
    assert error["node_id"] == "3"
    assert error["node_type"] == "ToyDie"
    assert error["executed"] == ["1"]
    assert "told to fail" in error["exception_message"]
    assert "error" in error["current_inputs"]["how"][0]
    entry = shared.get(f"/history/{job}")[job]
    assert entry["status"]["status_str"] == "error"
    assert not entry["status"]["completed"]
    assert entry["status"]["messages"][-1][0] == "execution_error"


async def test_an_interrupt_stops_what_runs_and_no_other(shared: Running) -> None:
    async with socket(shared, "interrupt") as ws:
        slow = {"class_type": "ToyWait", "inputs": {"value": ["1", 0], "seconds": 60, "steps": 1000}}
        prompt = shown(43, slow=slow)
        prompt["2"]["inputs"]["value"] = ["slow", 0]
        job = shared.submit(prompt, client_id="interrupt")
        waiting = shared.submit(shown(44), client_id="interrupt")
        while (await ws.receive_json())["data"].get("node") != "slow":
            pass
        shared.post("/interrupt", {"prompt_id": waiting})
        assert [item[1] for item in shared.get("/queue")["queue_running"]] == [job]
        shared.post("/interrupt", {"prompt_id": job})
        heard = await messages_until_end(ws, job)
        assert "execution_interrupted" in told(heard)
        await messages_until_end(ws, waiting)
    assert shared.get(f"/api/jobs/{job}")["state"] == "cancelled"
    assert shared.get(f"/history/{job}")[job]["status"]["status_str"] == "error"
    assert shared.get(f"/api/jobs/{waiting}")["state"] == "done"


async def test_previews_come_in_the_form_that_was_agreed(shared: Running) -> None:
    async def first_preview(client: str, flags: dict[str, Any] | None) -> bytes:
        async with socket(shared, client) as ws:
            if flags is not None:
                await ws.send_json({"type": "feature_flags", "data": flags})
                assert (await ws.receive_json())["type"] == "status"
                answer = await ws.receive_json()
                assert answer["type"] == "feature_flags"
                assert answer["data"] == shared.get("/features")
            slow = {"value": ["1", 0], "seconds": 0.4, "steps": 4, "previews": True}
            prompt = shown(hash(client) % 1000, wait={"class_type": "ToyWait", "inputs": slow})
            prompt["2"]["inputs"]["value"] = ["wait", 0]
            shared.submit(prompt, client_id=client, extra_data={"preview_method": "auto"})
            heard = await messages_until_end(ws)
            return next(message for message in heard if isinstance(message, bytes))

    plain = await first_preview("plain", None)
    assert struct.unpack(">II", plain[:8]) == (1, 2)
    assert plain[8:12] == b"\x89PNG"
    rich = await first_preview("rich", {"supports_preview_metadata": True})
    kind, length = struct.unpack(">II", rich[:8])
    about = json.loads(rich[8 : 8 + length])
    assert kind == 4
    assert about["node_id"] == "wait"
    assert about["image_type"] == "image/png"
    assert rich[8 + length :][:4] == b"\x89PNG"


async def test_progress_is_coalesced_and_ends_before_what_follows(shared: Running) -> None:
    async with socket(shared, "fast") as ws:
        wait = {"class_type": "ToyWait", "inputs": {"value": ["1", 0], "seconds": 0.2, "steps": 5000}}
        prompt = shown(45, wait=wait)
        prompt["2"]["inputs"]["value"] = ["wait", 0]
        shared.submit(prompt, client_id="fast")
        heard = await messages_until_end(ws)
    steps = [m["data"]["value"] for m in heard if m["type"] == "progress"]
    assert steps == sorted(steps)
    assert steps[-1] == 5000
    assert len(steps) < 1000
    after = told(heard)
    assert after.index("executing 2") > max(i for i, name in enumerate(after) if name == "progress")


async def test_traffic_grows_with_the_nodes_not_with_their_square(shared: Running) -> None:
    async with socket(shared, "traffic") as ws:
        shared.submit(chain(1000), client_id="traffic")
        heard = await messages_until_end(ws)
    assert sum(len(json.dumps(message)) for message in heard) < 1_000_000
    told_of = {n for m in heard if m["type"] == "progress_state" for n in m["data"]["nodes"]}
    known = {n for m in heard if m["type"] == "execution_cached" for n in m["data"]["nodes"]}
    assert len(told_of | known) == 1001


async def test_who_comes_back_gets_what_was_missed(shared: Running) -> None:
    async with socket(shared, "back") as ws:
        job = shared.submit(shown(46), client_id="back")
        heard = await messages_until_end(ws, job)
    seen = next(m["seq"] for m in heard if m["type"] == "execution_start")
    later = shared.submit(shown(47), client_id="back")
    shared.ended(later)
    async with socket(shared, "back", since=seen) as ws:
        missed = await messages_until_end(ws, later)
    kept = [m for m in missed if "seq" in m]
    assert [m["seq"] for m in kept] == sorted({m["seq"] for m in kept})
    assert [m["type"] for m in kept if m["data"]["prompt_id"] == job][:2] == ["execution_cached", "executing"]
    assert [m["type"] for m in kept if m["data"]["prompt_id"] == later][-2:] == ["execution_success", "executing"]
    over_http = shared.get(f"/api/jobs/{later}/events")["events"]
    assert over_http == [m for m in kept if m["data"]["prompt_id"] == later]
    assert shared.get(f"/api/jobs/{later}/events?since={over_http[1]['seq']}")["events"] == over_http[2:]


async def test_an_older_socket_of_the_same_client_takes_nothing_away(shared: Running) -> None:
    async with socket(shared, "twice") as newer:
        async with socket(shared, "twice"):
            pass
        async with socket(shared, "twice") as newest:
            await newer.close()
            job = shared.submit(shown(48), client_id="twice")
            heard = await messages_until_end(newest, job)
    assert "execution_success" in told(heard)


def test_what_can_run_runs_and_the_rest_is_explained(shared: Running) -> None:
    prompt = shown(49, bad={"class_type": "ToyShow", "inputs": {}}, off={"class_type": "ToyNumber", "inputs": {}})
    answer = shared.post("/prompt", {"prompt": prompt})
    assert answer["node_errors"]["bad"]["errors"][0]["type"] == "required_input_missing"
    assert answer["node_errors"]["bad"]["dependent_outputs"] == ["bad"]
    assert shared.ended(answer["prompt_id"])["state"] == "done"
    assert shared.get(f"/history/{answer['prompt_id']}")[answer["prompt_id"]]["prompt"][4] == ["2"]


def test_targets_narrow_what_runs(shared: Running) -> None:
    prompt = shown(50, other={"class_type": "ToyShow", "inputs": {"value": ["1", 0]}})
    job = shared.submit(prompt, partial_execution_targets=["other"])
    assert list(shared.ended(job)["outputs"]) == ["other"]
    refused = shared.ask("POST", "/prompt", {"prompt": prompt, "partial_execution_targets": ["1"]})
    assert (refused.status, refused.json["error"]["type"]) == (400, "prompt_no_outputs")


def test_the_same_id_is_accepted_once(shared: Running) -> None:
    before = len(shared.get("/history"))
    ids = {shared.submit(shown(51), prompt_id="once") for _ in range(3)}
    assert ids == {"once"}
    shared.ended("once")
    assert shared.submit(shown(51), prompt_id="once") == "once"
    assert len(shared.get("/history")) == before + 1
    other = shared.ask("POST", "/prompt", {"prompt": shown(52), "prompt_id": "once"})
    assert (other.status, other.json["error"]["type"]) == (400, "prompt_id_taken")


def test_front_and_number_order_the_queue(shared: Running) -> None:
    shared.post("/api/queue/pause")
    try:
        last = shared.submit(shown(53))
        first = shared.submit(shown(54), front=True)
        chosen = shared.submit(shown(55), number=-1e6)
        waiting = shared.get("/queue")["queue_pending"]
        assert [item[1] for item in waiting] == [chosen, first, last]
        assert [item[0] < 0 for item in waiting] == [True, True, False]
        assert shared.post(f"/api/jobs/{last}/move", {"before": chosen}) == {"moved": True}
        assert shared.post(f"/api/jobs/{chosen}/move", {"before": None}) == {"moved": True}
        assert [item[1] for item in shared.get("/queue")["queue_pending"]] == [last, first, chosen]
        shared.post("/queue", {"delete": [first]})
        assert shared.get(f"/api/jobs/{first}")["state"] == "cancelled"
        assert shared.get(f"/history/{first}") == {}
        assert shared.post(f"/api/jobs/{chosen}/cancel") == {"cancelled": True}
        assert shared.post("/api/jobs/nobody/cancel") == {"cancelled": False}
        assert shared.get("/prompt") == {"exec_info": {"queue_remaining": 1}}
    finally:
        shared.post("/api/queue/resume")
    assert shared.ended(last)["state"] == "done"


def test_the_order_of_what_waits_survives_a_restart(tmp_path: Path) -> None:
    base = prepare(tmp_path)
    with running(base) as server:
        server.post("/api/queue/pause")
        first, second, third = (server.submit(shown(60 + i)) for i in range(3))
        server.post(f"/api/jobs/{third}/move", {"before": first})
        server.post(f"/api/jobs/{first}/move", {"before": None})
    with running(base) as server:
        assert [item[1] for item in server.get("/queue")["queue_pending"]] == [third, second, first]


def test_an_unknown_job_is_told_from_an_unfinished_one(shared: Running) -> None:
    assert shared.ask("GET", "/api/jobs/nobody").status == 404
    assert shared.ask("GET", "/api/jobs/nobody/events").status == 404
    assert shared.get("/history/nobody") == {}


def test_history_is_paged_and_searched(shared: Running) -> None:
    jobs = [shared.submit(shown(60 + n, note=_note(f"needle{n} 100%_"))) for n in range(4)]
    for job in jobs:
        shared.ended(job)
    assert list(shared.get("/history?max_items=2")) == jobs[-2:]
    everything = list(shared.get("/history"))
    assert list(shared.get("/history?max_items=2&offset=1")) == everything[1:3]
    assert list(shared.get("/history?text=needle2")) == [jobs[2]]
    assert list(shared.get("/history?text=0%25_")) == jobs
    assert list(shared.get("/history?text=0__")) == []
    page = shared.get("/api/jobs?limit=2&status=completed&text=needle")
    assert [job["id"] for job in page["jobs"]] == [jobs[3], jobs[2]]
    assert page["pagination"] == {"offset": 0, "limit": 2, "total": 4, "has_more": True}
    shared.post("/history", {"delete": jobs[:2]})
    assert list(shared.get("/history?text=needle")) == jobs[2:]


def _note(text: str) -> dict[str, Any]:
    return {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": text}}


def test_everything_is_checked_and_nothing_run(shared: Running) -> None:
    before = len(shared.get("/history"))
    good = shared.post("/api/validate", {"prompt": shown(70)})
    assert good == {"valid": True, "error": None, "node_errors": {}, "outputs": ["2"], "sentences": []}
    bad = shown(70, a={"class_type": "ToyShow", "inputs": {}}, b={"class_type": "ToyEven", "inputs": {"value": 101}})
    found = shared.post("/api/validate", {"prompt": bad})
    assert not found["valid"]
    assert set(found["node_errors"]) == {"a", "b"}
    assert found["outputs"] == ["2"]
    assert len(found["sentences"]) == 2
    assert len(shared.get("/history")) == before


def test_a_packs_own_checks_are_asked(shared: Running) -> None:
    odd = {"1": {"class_type": "ToyEven", "inputs": {"value": 3}}}
    reply = shared.ask("POST", "/prompt", {"prompt": odd})
    assert reply.status == 400
    assert "must be even" in json.dumps(reply.json["node_errors"])
    assert shared.ended(shared.submit({"1": {"class_type": "ToyEven", "inputs": {"value": 4}}}))["state"] == "done"


def test_an_editors_file_is_taken_as_it_is(shared: Running) -> None:
    document = {
        "id": "11111111-2222-3333-4444-555555555555",
        "version": 0.4,
        "last_node_id": 2,
        "last_link_id": 1,
        "nodes": [
            {
                "id": 1,
                "type": "ToyNumber",
                "pos": [0, 0],
                "size": [200, 60],
                "mode": 0,
                "inputs": [],
                "outputs": [{"name": "INT", "type": "INT", "links": [1]}],
                "widgets_values": [71],
            },
            {
                "id": 2,
                "type": "ToyShow",
                "pos": [300, 0],
                "size": [200, 60],
                "mode": 0,
                "inputs": [{"name": "value", "type": "*", "link": 1}],
                "outputs": [],
                "widgets_values": [],
            },
        ],
        "links": [[1, 1, 0, 2, 0, "INT"]],
        "groups": [],
        "config": {},
        "extra": {},
    }
    for body in (document, {"prompt": document}):
        job = shared.ended(shared.post("/prompt", body)["prompt_id"])
        assert job["outputs"] == {"2": {"text": ["71"]}}
        assert job["workflow"]["extra_data"]["extra_pnginfo"]["workflow"] == document
        assert job["workflow_id"] == document["id"]


@pytest.mark.parametrize("twin", ["", "/api"])
def test_routes_are_found_with_and_without_api(shared: Running, twin: str) -> None:
    for path in (
        "/prompt",
        "/queue",
        "/history",
        "/object_info",
        "/system_stats",
        "/features",
        "/users",
        "/embeddings",
    ):
        assert shared.ask("GET", twin + path).status == 200


def test_a_chain_of_ten_thousand_runs(shared: Running) -> None:
    job = shared.submit(chain(10_000))
    assert shared.ended(job)["outputs"] == {"show": {"text": ["10000"]}}
