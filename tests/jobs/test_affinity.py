"""Which job goes to which worker: to the one that holds its models, and nobody waits for ever for that."""

from __future__ import annotations

import pytest

from server.jobs.affinity import PATIENCE_MS, Offer, choose
from server.jobs.model import Job, Request


def job(*models: str) -> Job:
    return Job(id="+".join(models) or "plain", number=0.0, request=Request({}, models))


def models_of(request: Request) -> frozenset[str]:
    return frozenset(request.targets)


def offer(worker: str, *models: str) -> Offer:
    return Offer(worker, frozenset(models))


@pytest.mark.parametrize(
    ("pending", "idle", "busy", "waited_ms", "expected"),
    [
        pytest.param([job("a")], [offer("w0"), offer("w1", "a")], [], 0, ("a", "w1"), id="who holds it"),
        pytest.param([job("a", "b")], [offer("w0", "a"), offer("w1", "a", "b")], [], 0, ("a+b", "w1"), id="most of it"),
        pytest.param(
            [job("a")], [offer("w0", "b"), offer("w1")], [], 0, ("a", "w1"), id="an empty one, not a warm one"
        ),
        pytest.param(
            [job()], [offer("w0", "b"), offer("w1")], [], 0, ("plain", "w1"), id="plain work takes no warm one"
        ),
        pytest.param(
            [job("a"), job("b")], [offer("w1", "b")], [offer("w0", "a")], 0, ("b", "w1"), id="a later one first"
        ),
        pytest.param(
            [job("a"), job("b")], [offer("w1", "b")], [offer("w0", "a")], PATIENCE_MS, ("a", "w1"), id="not for ever"
        ),
        pytest.param(
            [job("a"), job("b")], [offer("w1", "b")], [offer("w0", "c")], 0, ("a", "w1"), id="nobody holds it"
        ),
        pytest.param(
            [job("a"), job()], [offer("w1", "b")], [offer("w0", "a")], 0, ("a", "w1"), id="no plain one first"
        ),
    ],
)
def test_a_job_goes_where_its_models_are(
    pending: list[Job], idle: list[Offer], busy: list[Offer], waited_ms: int, expected: tuple[str, str]
) -> None:
    choice = choose(pending, idle, busy, models_of, waited_ms)
    assert (choice.job.id, choice.worker) == expected
    assert choice.worker in choice.why
