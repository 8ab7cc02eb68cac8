"""The subcommands that run or judge a workflow here, without a server: run, verify, check."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from server import headless
from server.commands import (
    CANCELLED,
    DONE,
    FAILED,
    INVALID,
    Arguments,
    Unusable,
    opened_file,
    prepared,
    readable,
)
from server.engine.engine import Engine
from server.headless import Opened, Ran, texts_of
from server.sweep import BadAssignment, variants

if TYPE_CHECKING:
    from nodes.registry import Registry
    from server.engine.errors import Validation
    from server.verify import CannotRun


def run(arguments: Arguments) -> int:
    """Run a workflow, once for each combination of values that was asked for; the exit code."""
    settings, folders, registry = prepared(arguments)
    opened = opened_file(arguments.file, registry, folders)
    chosen = _variants(opened, arguments.assignments, registry)
    engine = headless.make_engine(settings, folders, registry)
    checks = [engine.validate(each.graph) for each in chosen]
    for check in checks:
        if not check.sound:
            return _tell_invalid(check, opened, arguments)
    _hint(opened)
    cancelled = _cancellation()
    titles = {placed.id: placed.title or placed.type for placed in opened.graph}
    report = headless.Report(titles, quiet=arguments.json and not sys.stderr.isatty())
    runs: list[Ran] = []
    for variant, check in zip(chosen, checks, strict=True):
        ran = headless.run_graph(
            engine,
            folders,
            check.graph,
            check.good_outputs,
            values=variant.values,
            document=None if variant.values else opened.document,
            report=report,
            cancelled=cancelled,
            metadata=settings.metadata,
        )
        report.close()
        runs.append(ran)
        if not arguments.json:
            _tell(ran, titles, debug=arguments.debug)
        if ran.outcome.state == "cancelled":
            break
    if arguments.json:
        print(json.dumps({"state": _worst(runs), "runs": [ran.as_json() for ran in runs]}, indent=2, default=str))
    return {"done": DONE, "failed": FAILED, "cancelled": CANCELLED}[_worst(runs)]


def verify_picture(arguments: Arguments) -> int:
    """Say whether a picture's workflow draws it again; the exit code."""
    from server.verify import CannotRun, verify  # noqa: PLC0415 -- needs numpy and PIL

    settings, folders, registry = prepared(arguments)
    quiet = arguments.json and not sys.stderr.isatty()
    try:
        verdict = readable(
            lambda: verify(arguments.file, settings, folders, registry, quiet=quiet, cancelled=_cancellation())
        )
    except CannotRun as error:
        return _tell_unverified(error, as_json=arguments.json)
    if verdict is None:
        print("Cancelled.", file=sys.stderr)
        return CANCELLED
    print(json.dumps(verdict.as_json(), indent=2) if arguments.json else "\n".join(verdict.sentences))
    return DONE if verdict.identical else FAILED


def check(arguments: Arguments) -> int:
    """Say what is wrong with a workflow; the exit code."""
    _, folders, registry = prepared(arguments)
    opened = opened_file(arguments.file, registry, folders)
    check = Engine(registry, provided={type(folders): folders}).validate(opened.graph)
    if not check.sound:
        return _tell_invalid(check, opened, arguments)
    if arguments.json:
        print(json.dumps({"state": "valid", "problems": [], "outputs": list(check.good_outputs)}, indent=2))
    else:
        _hint(opened)
        outputs = ", ".join(opened.graph[each].name for each in check.good_outputs)
        print(f"{arguments.file}: {_nodes(len(opened.graph))}, no problem. Makes: {outputs}.")
    return DONE


def _worst(runs: Sequence[Ran]) -> str:
    states = [ran.outcome.state for ran in runs]
    return next((state for state in ("cancelled", "failed") if state in states), "done")


def _tell(ran: Ran, titles: Mapping[str, str], *, debug: bool) -> None:
    """Paths go to the standard output, one a line; everything else goes beside it."""
    for path in ran.files:
        print(path, flush=True)
    for node_id, text in texts_of(ran.outcome):
        print(f"{titles.get(node_id, node_id)}: {text}", flush=True)
    print(_summary(ran), file=sys.stderr)
    error = ran.outcome.error
    if error is not None:
        print(error.sentence, file=sys.stderr)
        if debug:
            print("".join(error.traceback), file=sys.stderr)


def _summary(ran: Ran) -> str:
    """What ran and what did not have to."""
    done, cached = len(ran.outcome.executed), len(ran.outcome.cached)
    values = " ".join(f"{name}={value}" for name, value in ran.values.items())
    start = f"{values}: " if values else ""
    match ran.outcome.state:
        case "cancelled":
            return f"{start}cancelled; {_nodes(done)} finished, and what they made is kept"
        case "failed":
            return f"{start}failed; {_nodes(done)} finished before, and what they made is kept"
        case _ if done == 0:
            return f"{start}nothing ran: {cached} of {_nodes(cached)} cached ({ran.seconds:.2f} s)"
        case _:
            return f"{start}{_nodes(done)} ran, {cached} cached ({ran.seconds:.2f} s)"


def _nodes(count: int) -> str:
    return f"{count} node" if count == 1 else f"{count} nodes"


def _tell_invalid(check: Validation, opened: Opened, arguments: Arguments) -> int:
    sentences = (*check.sentences(), *opened.hints)
    if arguments.json:
        print(json.dumps({"state": "invalid", "problems": list(sentences), **check.as_json()}, indent=2, default=str))
    else:
        print("\n".join(sentences), file=sys.stderr)
    return INVALID


def _tell_unverified(error: CannotRun, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(error.as_json(), indent=2))
    else:
        print("\n".join(error.sentences), file=sys.stderr)
    return INVALID if error.invalid else FAILED


def _hint(opened: Opened) -> None:
    for sentence in opened.hints:
        print(sentence, file=sys.stderr)


def _cancellation() -> Callable[[], bool]:
    """Whether Ctrl-C was pressed. The first lets the step that runs end; the second ends the process."""
    pressed: list[int] = []

    def press(number: int, _: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("\nStopping after this step; press Ctrl-C again to end at once.", file=sys.stderr)

    signal.signal(signal.SIGINT, press)
    signal.signal(signal.SIGTERM, press)
    return lambda: bool(pressed)


def _variants(opened: Opened, assignments: Sequence[str], registry: Registry) -> list[Any]:
    try:
        return variants(opened.graph, assignments, registry)
    except BadAssignment as error:
        raise Unusable(str(error)) from error
