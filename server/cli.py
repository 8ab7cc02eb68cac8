"""The command `sfumato`: parse, call, print. Each subcommand imports what it needs, so that `--help` comes at once."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from nodes.define import Input, NodeDef
    from nodes.folders import Folders
    from nodes.registry import Registry
    from server.config import Settings
    from server.engine.errors import Validation
    from server.headless import Opened, Ran
    from server.verify import CannotRun

DONE, FAILED, INVALID, CANCELLED = 0, 1, 2, 130

Arguments = argparse.Namespace
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: its name, what it is for, its arguments, and what it does; the latter returns the exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], int]


class Unusable(Exception):  # noqa: N818 -- ends the command with one sentence
    """What was asked for cannot be done; the message is for the person who asked."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0 done, 1 a node failed, 2 invalid, 130 cancelled."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    parsed = make_parser().parse_args(arguments)
    try:
        check_packages()
        return parsed.run(parsed)
    except Unusable as error:
        print(error, file=sys.stderr)
        return INVALID
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return CANCELLED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 -- the last resort before a traceback at a user
        if parsed.debug:
            traceback.print_exc()
        else:
            print(
                f"This is a fault of Sfumato's, not yours: {type(error).__name__}: {error}. "
                "Run it again with --debug and report what it prints.",
                file=sys.stderr,
            )
        return FAILED


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="sfumato", description="Make pictures with diffusion models by wiring nodes.", epilog=_EPILOG
    )
    chosen = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = chosen.add_parser(command.name, help=command.help, description=command.help)
        command.arguments(sub)
        sub.add_argument("--base", metavar="DIR", help="base folder: models, input, output (SFUMATO_BASE; ~/sfumato)")
        sub.add_argument("--debug", action="store_true", help="print tracebacks")
        sub.set_defaults(run=command.run)
    return parser


def check_packages() -> None:
    """Raise Unusable when Python finds another `nodes` than the one beside this package."""
    here = Path(__file__).resolve().parent.parent
    for name in ("server", "nodes"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin != here / name / "__init__.py":
            raise Unusable(
                f"Python finds another package called {name!r}, at {origin or 'no file'}, before Sfumato's at "
                f"{here / name}. Take its folder out of PYTHONPATH, or run sfumato in a virtual environment of its own."
            )


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    _file_argument(parser)
    parser.add_argument(
        "--set",
        metavar="NODE.INPUT=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="set an input; the node by id, title or type. seed=1..8 and cfg=4,7,10 run every combination",
    )
    parser.add_argument("--out", metavar="DIR", dest="output", help="where pictures are written instead of BASE/output")
    parser.add_argument("--json", action="store_true", help="print what happened as JSON")
    parser.add_argument("--device", help="auto, cpu, mps, cuda, cuda:1 (default auto)")
    parser.add_argument("--precision", help="auto, fp32, fp16 or bf16 (default auto)")
    parser.add_argument("--allow-downloads", action="store_true", default=None, help="let nodes fetch models they miss")
    _metadata_argument(parser)
    _custom_nodes_argument(parser)


def _run(arguments: Arguments) -> int:
    from server import headless  # noqa: PLC0415 -- see the module's docstring

    settings, folders, registry = _prepared(arguments)
    opened = _opened(arguments.file, registry, folders)
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


def _worst(runs: Sequence[Ran]) -> str:
    states = [ran.outcome.state for ran in runs]
    return next((state for state in ("cancelled", "failed") if state in states), "done")


def _tell(ran: Ran, titles: Mapping[str, str], *, debug: bool) -> None:
    """Paths go to the standard output, one a line; everything else goes beside it."""
    from server.headless import texts_of  # noqa: PLC0415

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


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="PICTURE", type=Path, help="a PNG, WebP or JPEG that carries its workflow")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--device", help="auto, cpu, mps, cuda, cuda:1 (default auto)")
    parser.add_argument("--precision", help="auto, fp32, fp16 or bf16 (default auto)")
    _custom_nodes_argument(parser)


def _verify(arguments: Arguments) -> int:
    from server.verify import CannotRun, verify  # noqa: PLC0415

    settings, folders, registry = _prepared(arguments)
    quiet = arguments.json and not sys.stderr.isatty()
    try:
        verdict = _readable(
            lambda: verify(arguments.file, settings, folders, registry, quiet=quiet, cancelled=_cancellation())
        )
    except CannotRun as error:
        return _tell_unverified(error, as_json=arguments.json)
    if verdict is None:
        print("Cancelled.", file=sys.stderr)
        return CANCELLED
    print(json.dumps(verdict.as_json(), indent=2) if arguments.json else "\n".join(verdict.sentences))
    return DONE if verdict.identical else FAILED


def _tell_unverified(error: CannotRun, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(error.as_json(), indent=2))
    else:
        print("\n".join(error.sentences), file=sys.stderr)
    return INVALID if error.invalid else FAILED


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    _file_argument(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    _custom_nodes_argument(parser)


def _check(arguments: Arguments) -> int:
    from server.engine.engine import Engine  # noqa: PLC0415

    _, folders, registry = _prepared(arguments)
    opened = _opened(arguments.file, registry, folders)
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


def _nodes_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="a node, for all about it")
    parser.add_argument("--json", action="store_true", help="print ComfyUI's object_info")
    _custom_nodes_argument(parser)


def _list_nodes(arguments: Arguments) -> int:
    _, folders, registry = _prepared(arguments)
    for error in registry.errors:
        print(f"Pack {error.pack} was not loaded: {error.reason}", file=sys.stderr)
    wanted = [_node(arguments.id, registry)] if arguments.id else sorted(registry, key=lambda d: (d.category, d.id))
    if arguments.json:
        from nodes.schema import object_info  # noqa: PLC0415

        print(json.dumps(object_info(wanted, folders), indent=2))
    elif arguments.id:
        print(_described(wanted[0], folders))
    else:
        width = max((len(each.id) for each in wanted), default=0)
        for each in wanted:
            print(f"{each.id:<{width}}  {each.category or '-'}: {each.description or each.title}")
    return DONE


def _node(node_id: str, registry: Registry) -> NodeDef:
    import difflib  # noqa: PLC0415

    found = registry.get(node_id) or next((d for d in registry if node_id.casefold() in _names(d)), None)
    if found is None:
        near = difflib.get_close_matches(node_id, registry.definitions, n=3)
        raise Unusable(f"There is no node {node_id!r}.{' Near matches: ' + ', '.join(near) + '.' if near else ''}")
    return found


def _names(definition: NodeDef) -> tuple[str, ...]:
    return (definition.id.casefold(), definition.title.casefold())


def _described(definition: NodeDef, folders: Folders) -> str:
    lines = [f"{definition.id} -- {definition.title}  [{definition.category or '-'}]", "", definition.description, ""]
    lines += ["Inputs:", *(f"  {line}" for each in definition.inputs for line in [_input_line(each, folders)])]
    lines += [
        "Outputs:",
        *(f"  {each.name}: {each.type}{' (list)' if each.many else ''}" for each in definition.outputs),
    ]
    return "\n".join(lines)


def _input_line(each: Input, folders: Folders) -> str:
    from nodes.define import MISSING  # noqa: PLC0415
    from nodes.schema import choices_of  # noqa: PLC0415
    from nodes.widgets import Range  # noqa: PLC0415

    facts: list[str] = []
    if isinstance(each.widget, Range):
        facts.append(f"{each.widget.min} to {each.widget.max}")
    choices = choices_of(each, folders)
    if choices is not None:
        facts.append("one of " + ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else ""))
    if each.default is not MISSING and each.default is not None:
        facts.append(f"default {each.default!r}")
    if each.optional:
        facts.append("optional")
    tip = f" -- {each.tooltip}" if each.tooltip else ""
    return f"{each.name}: {each.type}{' (' + '; '.join(facts) + ')' if facts else ''}{tip}"


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    _file_argument(parser)
    parser.add_argument("--to", choices=("api", "editor", "python", "a1111"), required=True, help="what to write")
    parser.add_argument("--out", metavar="FILE", type=Path, dest="target", help="where to; else the standard output")
    _custom_nodes_argument(parser)


def _convert(arguments: Arguments) -> int:
    from server import file_commands  # noqa: PLC0415

    _, folders, registry = _prepared(arguments)
    return _readable(
        lambda: file_commands.convert_file(arguments.file, arguments.to, arguments.target, registry, folders)
    )


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="what it was, and what it is now")
    parser.add_argument("--json", action="store_true", help="print the changes as JSON")
    _custom_nodes_argument(parser)


def _diff(arguments: Arguments) -> int:
    from server import file_commands  # noqa: PLC0415

    _, _, registry = _prepared(arguments)
    return _readable(lambda: file_commands.diff_files(arguments.files, registry, as_json=arguments.json))


def _format_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="workflow files")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is otherwise")
    parser.add_argument("--print", action="store_true", dest="show", help="print it instead; takes pictures too")
    _custom_nodes_argument(parser)


def _format(arguments: Arguments) -> int:
    from server import file_commands  # noqa: PLC0415

    _, _, registry = _prepared(arguments)
    return _readable(
        lambda: file_commands.format_files(arguments.files, registry, check=arguments.check, show=arguments.show)
    )


def _readable(command: Callable[[], R]) -> R:
    from server.formats.errors import FormatError  # noqa: PLC0415

    try:
        return command()
    except FormatError as error:
        raise Unusable(str(error)) from error


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1: this machine only)")
    parser.add_argument("--port", help="port to listen on (default 8188)")
    parser.add_argument("--token", help="what clients must present; made up when listening beyond this machine")
    parser.add_argument("--hosts", metavar="NAME,...", help="more names under which clients may reach the server")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate, for https")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key")
    parser.add_argument("--out", metavar="DIR", dest="output", help="where pictures are written instead of BASE/output")
    parser.add_argument("--device", help="auto, cpu, mps, cuda, or several: cuda:0,cuda:1 (default auto)")
    parser.add_argument("--precision", help="auto, fp32, fp16 or bf16 (default auto)")
    parser.add_argument("--multi-user", action="store_true", default=None, help="keep users' settings and files apart")
    parser.add_argument(
        "--allow-downloads",
        action="store_true",
        default=None,
        help="let clients and nodes fetch models",
    )
    parser.add_argument("--download-hosts", metavar="NAME,...", help="where from, instead of the well-known hosts")
    _metadata_argument(parser)
    _custom_nodes_argument(parser)


def _serve(arguments: Arguments) -> int:
    from server.api.app import CannotServe, serve  # noqa: PLC0415
    from server.workers.lines import log_to_stderr  # noqa: PLC0415

    log_to_stderr(times=True)
    try:
        return serve(_settings(arguments))
    except CannotServe as error:
        raise Unusable(str(error)) from error


def _file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="a workflow: API or editor JSON, or a picture with one inside"
    )


def _metadata_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--disable-metadata",
        action="store_false",
        default=None,
        dest="metadata",
        help="write neither workflow nor settings into pictures",
    )


def _custom_nodes_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--custom-nodes",
        action="store_true",
        default=None,
        help="load BASE/custom_nodes: they are code, and run as you",
    )


def _settings(arguments: Arguments) -> Settings:
    from dataclasses import fields  # noqa: PLC0415

    from server.config import BadSetting, Settings, load  # noqa: PLC0415

    try:
        return load({f.name: getattr(arguments, f.name, None) for f in fields(Settings)})
    except BadSetting as error:
        raise Unusable(str(error)) from error


def _prepared(arguments: Arguments) -> tuple[Settings, Folders, Registry]:
    """Settings, the base folder and the nodes."""
    from nodes.define import NodeError  # noqa: PLC0415
    from nodes.folders import Folders  # noqa: PLC0415
    from server.headless import load_registry  # noqa: PLC0415

    settings = _settings(arguments)
    try:
        folders = Folders.at(settings.base, output=settings.output, allow_downloads=settings.allow_downloads)
    except NodeError as error:
        raise Unusable(str(error)) from error
    return settings, folders, load_registry(folders, custom_nodes=settings.custom_nodes)


def _opened(file: Path, registry: Registry, folders: Folders) -> Opened:
    from server.formats.errors import FormatError  # noqa: PLC0415
    from server.headless import open_file  # noqa: PLC0415

    try:
        return open_file(file, registry, folders)
    except FormatError as error:
        raise Unusable(str(error)) from error


def _variants(opened: Opened, assignments: Sequence[str], registry: Registry) -> list[Any]:
    from server.sweep import BadAssignment, variants  # noqa: PLC0415

    try:
        return variants(opened.graph, assignments, registry)
    except BadAssignment as error:
        raise Unusable(str(error)) from error


_EPILOG = "Exit codes: 0 done, 1 a node failed, 2 the workflow or the command is invalid, 130 cancelled."

COMMANDS: tuple[Command, ...] = (
    Command("run", "Run a workflow here, without a server.", _run_arguments, _run),
    Command(
        "verify", "Run a picture's workflow again; say whether the same picture comes.", _verify_arguments, _verify
    ),
    Command("check", "Say everything that is wrong with a workflow; run nothing.", _check_arguments, _check),
    Command("nodes", "List the nodes, or say all about one.", _nodes_arguments, _list_nodes),
    Command("convert", "Write a workflow in another format.", _convert_arguments, _convert),
    Command("diff", "Say in words what changed between two workflows.", _diff_arguments, _diff),
    Command("fmt", "Write workflow files one value a line, in a fixed order.", _format_arguments, _format),
    Command("serve", "Serve the editor and the API.", _serve_arguments, _serve),
)


if __name__ == "__main__":
    sys.exit(main())
