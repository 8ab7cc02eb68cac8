"""The command `sfumato`: parse, call, print. Each subcommand imports what it needs, so that `--help` comes at once."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.commands import CANCELLED, DONE, FAILED, INVALID, Arguments, Unusable, prepared, readable, settings_of


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: its name, what it is for, its arguments, and what it does; the latter returns the exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], int]


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
    from server.run_commands import run  # noqa: PLC0415 -- see the module's docstring

    return run(arguments)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="PICTURE", type=Path, help="a PNG, WebP or JPEG that carries its workflow")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--device", help="auto, cpu, mps, cuda, cuda:1 (default auto)")
    parser.add_argument("--precision", help="auto, fp32, fp16 or bf16 (default auto)")
    _custom_nodes_argument(parser)


def _verify(arguments: Arguments) -> int:
    from server.run_commands import verify_picture  # noqa: PLC0415 -- see the module's docstring

    return verify_picture(arguments)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    _file_argument(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    _custom_nodes_argument(parser)


def _check(arguments: Arguments) -> int:
    from server.run_commands import check  # noqa: PLC0415 -- see the module's docstring

    return check(arguments)


def _nodes_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="a node, for all about it")
    parser.add_argument("--json", action="store_true", help="print ComfyUI's object_info")
    _custom_nodes_argument(parser)


def _list_nodes(arguments: Arguments) -> int:
    from server.node_commands import list_nodes  # noqa: PLC0415 -- see the module's docstring

    return list_nodes(arguments)


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    _file_argument(parser)
    parser.add_argument("--to", choices=("api", "editor", "python", "a1111"), required=True, help="what to write")
    parser.add_argument("--out", metavar="FILE", type=Path, dest="target", help="where to; else the standard output")
    _custom_nodes_argument(parser)


def _convert(arguments: Arguments) -> int:
    from server import file_commands  # noqa: PLC0415

    _, folders, registry = prepared(arguments)
    return readable(
        lambda: file_commands.convert_file(arguments.file, arguments.to, arguments.target, registry, folders)
    )


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="what it was, and what it is now")
    parser.add_argument("--json", action="store_true", help="print the changes as JSON")
    _custom_nodes_argument(parser)


def _diff(arguments: Arguments) -> int:
    from server import file_commands  # noqa: PLC0415

    _, _, registry = prepared(arguments)
    return readable(lambda: file_commands.diff_files(arguments.files, registry, as_json=arguments.json))


def _format_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="workflow files")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is otherwise")
    parser.add_argument("--print", action="store_true", dest="show", help="print it instead; takes pictures too")
    _custom_nodes_argument(parser)


def _format(arguments: Arguments) -> int:
    from server import file_commands  # noqa: PLC0415

    _, _, registry = prepared(arguments)
    return readable(
        lambda: file_commands.format_files(arguments.files, registry, check=arguments.check, show=arguments.show)
    )


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
        return serve(settings_of(arguments))
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
