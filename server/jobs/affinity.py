"""Which job goes to which worker: to the one that already holds its models, and nobody waits for ever for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.jobs.model import Job, Request

PATIENCE_MS = 60_000
"""How long the first job may be passed by others that find their models."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A worker, and the models that it holds."""

    worker: str
    models: frozenset[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which job goes where, and why: the sentence is kept with the attempt."""

    job: Job
    worker: str
    why: str
    models: frozenset[str]


def choose(
    pending: Sequence[Job],
    idle: Sequence[Offer],
    busy: Sequence[Offer],
    models_of: Callable[[Request], frozenset[str]],
    waited_ms: int,
) -> Choice:
    """The next job and its worker.

    The first job, which has waited for `waited_ms`, goes to the idle worker that holds most of its models. Only when a
    busy worker holds them all, and none of the idle ones any, may a later job that an idle worker is warm for go first.
    """
    first = pending[0]
    wanted = models_of(first.request)
    best = max(idle, key=lambda offer: len(wanted & offer.models))
    held = wanted & best.models
    if held:
        return Choice(first, best.worker, f"{best.worker} holds {_names(held)}.", wanted)
    if wanted and waited_ms < PATIENCE_MS and any(wanted <= offer.models for offer in busy):
        for job in pending[1:]:
            theirs = models_of(job.request)
            for offer in idle:
                if theirs and theirs <= offer.models:
                    return Choice(job, offer.worker, f"{offer.worker} holds {_names(theirs)}.", theirs)
    empty = min(idle, key=lambda offer: len(offer.models))
    return Choice(first, empty.worker, f"{empty.worker} was free.", wanted)


def _names(models: frozenset[str]) -> str:
    return ", ".join(sorted(models))
