"""The subcommand that lists the nodes, or says all about one."""

from __future__ import annotations

import difflib
import json
import sys

from nodes.define import MISSING, Input, NodeDef
from nodes.folders import Folders
from nodes.registry import Registry
from nodes.schema import choices_of, object_info
from nodes.widgets import Range
from server.commands import DONE, Arguments, Unusable, prepared


def list_nodes(arguments: Arguments) -> int:
    """Print the nodes there are; the exit code."""
    _, folders, registry = prepared(arguments)
    for error in registry.errors:
        print(f"Pack {error.pack} was not loaded: {error.reason}", file=sys.stderr)
    wanted = [_node(arguments.id, registry)] if arguments.id else sorted(registry, key=lambda d: (d.category, d.id))
    if arguments.json:
        print(json.dumps(object_info(wanted, folders), indent=2))
    elif arguments.id:
        print(_described(wanted[0], folders))
    else:
        width = max((len(each.id) for each in wanted), default=0)
        for each in wanted:
            print(f"{each.id:<{width}}  {each.category or '-'}: {each.description or each.title}")
    return DONE


def _node(node_id: str, registry: Registry) -> NodeDef:
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
