"""A user's own nodes: files and packages in custom_nodes/, ours by decorator or classic ones by class mappings.

They are code: whoever calls `load_packs` has been asked to. A pack that fails is reported and takes nothing else down.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from nodes import types
from nodes.define import (
    MISSING,
    NEVER,
    Blocked,
    Expand,
    Input,
    Never,
    NodeDef,
    NodeError,
    NodeFunction,
    Out,
    Output,
    Returned,
    Saved,
    Shown,
)
from nodes.registry import PackError, Registry
from nodes.widgets import Choice, Range, Seed, Text, Toggle, Widget

_PREFIX = "sfumato_custom_nodes"
_HIDDEN = frozenset({"PROMPT", "EXTRA_PNGINFO", "UNIQUE_ID"})
_LARGEST_INT = 2**63 - 1


def load_packs(registry: Registry, roots: Iterable[Path], begins: Callable[[str], str] = lambda _: "") -> Registry:
    """The registry with every pack of these folders, and a PackError for each that could not be loaded.

    `begins` is told each pack before it is imported; if it gives a reason why not, the pack is left out.
    """
    for root in roots:
        for path in _packs_in(root):
            try:
                if reason := begins(path.stem):
                    raise NodeError(reason)
                definitions = pack_nodes(_import(path))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 -- a pack may raise anything
                registry = registry.joined((), [PackError(path.stem, _reason(error, path))])
                continue
            taken = sorted(d.id for d in definitions if (known := registry.get(d.id)) and not known.pack)
            errors = (
                [PackError(path.stem, f"{', '.join(taken)}: there are nodes of that name already.")] if taken else []
            )
            registry = registry.joined(definitions, errors)
    return registry


def pack_nodes(module: ModuleType) -> list[NodeDef]:
    """The nodes of a pack: decorated functions, and the classes that NODE_CLASS_MAPPINGS names.

    Raises NodeError when there are neither.
    """
    name = module.__name__
    own = [m for key, m in list(sys.modules.items()) if key == name or key.startswith(name + ".")]
    found = {
        value.definition.id: value.definition
        for part in own
        for value in vars(part).values()
        if isinstance(value, NodeFunction) and value.definition.module.startswith(name)
    }
    titles: Mapping[str, str] = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", {})
    for node_id, cls in getattr(module, "NODE_CLASS_MAPPINGS", {}).items():
        found[node_id] = classic(node_id, cls, titles.get(node_id, node_id), name)
    if not found:
        raise NodeError("it defines no node: neither @node functions nor NODE_CLASS_MAPPINGS.")
    return list(found.values())


def classic(node_id: str, cls: type, title: str, module: str) -> NodeDef:
    """A class of ComfyUI's first node form as a node. Pictures, masks and latents are tensors to it."""
    declared: Mapping[str, Mapping[str, Any]] = cls.INPUT_TYPES()  # type: ignore[attr-defined]
    whole_lists = bool(getattr(cls, "INPUT_IS_LIST", False))
    inputs = tuple(
        _classic_input(name, spec, optional=group == "optional", many=whole_lists)
        for group in ("required", "optional")
        for name, spec in declared.get(group, {}).items()
    )
    returned = tuple(getattr(cls, "RETURN_TYPES", ()))
    names = tuple(getattr(cls, "RETURN_NAMES", returned)) or returned
    lists = tuple(getattr(cls, "OUTPUT_IS_LIST", ())) or (False,) * len(returned)
    outputs = tuple(Output(str(n), _type_name(t), bool(m)) for n, t, m in zip(names, returned, lists, strict=False))
    types_of = {each.name: each.type for each in inputs}
    made = NodeDef(
        id=node_id,
        title=title,
        category=str(getattr(cls, "CATEGORY", "")),
        description=inspect.cleandoc(getattr(cls, "DESCRIPTION", "") or ""),
        inputs=inputs,
        outputs=outputs,
        run=_runner(cls, outputs, types_of),
        hidden={name: kind for name, kind in declared.get("hidden", {}).items() if kind in _HIDDEN},
        terminal=bool(getattr(cls, "OUTPUT_NODE", False)),
        deprecated=bool(getattr(cls, "DEPRECATED", False)),
        experimental=bool(getattr(cls, "EXPERIMENTAL", False)),
        module=module.replace(_PREFIX, "custom_nodes"),
        needs=_needs(cls) if hasattr(cls, "check_lazy_status") else lambda **_: (),
        fingerprint=_fingerprint(cls) if hasattr(cls, "IS_CHANGED") else None,
    )
    return replace(made, check=_check(cls)) if hasattr(cls, "VALIDATE_INPUTS") else made


def _packs_in(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(
        path
        for path in root.iterdir()
        if not path.name.startswith((".", "_"))
        and ((path.is_file() and path.suffix == ".py") or (path / "__init__.py").is_file())
        and path.suffix != ".disabled"
    )


def _import(path: Path) -> ModuleType:
    package = path.is_dir()
    name = f"{_PREFIX}.{path.stem.replace('-', '_').replace('.', '_')}"
    sys.modules.setdefault(_PREFIX, ModuleType(_PREFIX))
    spec = importlib.util.spec_from_file_location(
        name,
        path / "__init__.py" if package else path,
        submodule_search_locations=[str(path)] if package else None,
    )
    if spec is None or spec.loader is None:
        raise NodeError("it is no Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for key in [k for k in sys.modules if k == name or k.startswith(name + ".")]:
            del sys.modules[key]
        raise
    return module


def _reason(error: BaseException, path: Path) -> str:
    """What went wrong, and on which of the pack's own lines."""
    if isinstance(error, NodeError):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(path.parent)]
    where = f" ({Path(frames[-1].filename).relative_to(path.parent)}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _type_name(kind: Any) -> str:
    """A socket type's name. A str that is unequal to nothing is how packs write "anything"."""
    if isinstance(kind, list | tuple):
        return "COMBO"
    if isinstance(kind, str) and not (kind != "\0"):  # noqa: SIM202 -- __ne__ is what such a class overrides
        return "*"
    return str(kind)


def _classic_input(name: str, spec: Sequence[Any], *, optional: bool, many: bool) -> Input:
    kind = spec[0]
    options: Mapping[str, Any] = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
    type_name = _type_name(kind)
    widget = _classic_widget(name, kind, type_name, options)
    default = options.get("default", MISSING)
    if default is MISSING and isinstance(widget, Choice) and (choices := widget.names()):
        default = choices[0]
    return Input(
        name=name,
        parameter=name,
        type=type_name,
        widget=widget,
        default=None if optional and default is MISSING else default,
        optional=optional,
        wire=bool(options.get("forceInput", False)),
        many=many,
        lazy=bool(options.get("lazy", False)),
        advanced=bool(options.get("advanced", False)),
        tooltip=str(options.get("tooltip", "")),
    )


def _classic_widget(name: str, kind: Any, type_name: str, options: Mapping[str, Any]) -> Widget | None:
    match type_name:
        case "COMBO":
            return Choice(
                tuple(str(c) for c in (kind if isinstance(kind, list | tuple) else options.get("options", ())))
            )
        case "INT" if options.get("control_after_generate", name in ("seed", "noise_seed")):
            return Seed()
        case "INT" | "FLOAT":
            low, high = options.get("min", -_LARGEST_INT), options.get("max", _LARGEST_INT)
            return Range(low, high, options.get("step"), options.get("round") or None)
        case "STRING":
            return Text(bool(options.get("multiline")), bool(options.get("dynamicPrompts")))
        case "BOOLEAN":
            return Toggle(str(options.get("label_on", "")), str(options.get("label_off", "")))
        case _:
            return None


def _runner(cls: type, outputs: tuple[Output, ...], types_of: Mapping[str, str]) -> Callable[..., Any]:
    def run(**inputs: Any) -> Any:
        values = {name: _plain(value) if types_of.get(name) else value for name, value in inputs.items()}
        function = getattr(cls(), cls.FUNCTION)  # type: ignore[attr-defined]
        result = function(**values)
        if inspect.isawaitable(result):
            import asyncio  # noqa: PLC0415 -- few packs need it, and every command would pay for it

            result = asyncio.run(_awaited(result))
        return _result(result, outputs)

    return run


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _result(result: Any, outputs: tuple[Output, ...]) -> Returned | Expand:
    """A classic return value as ours."""
    if not isinstance(result, Mapping):
        return Returned(_typed(result or (), outputs))
    if "expand" in result:
        graph = result["expand"]
        return Expand(
            {key: (entry["class_type"], _linked(entry["inputs"], graph)) for key, entry in graph.items()},
            tuple(_out(value, graph) for value in result.get("result", ())),
        )
    shown = _shown(result["ui"]) if "ui" in result else None
    return Returned(_typed(result.get("result", ()), outputs), shown)


def _typed(values: Any, outputs: tuple[Output, ...]) -> tuple[Any, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != len(outputs):
        raise NodeError(f"it must return a tuple of {len(outputs)} outputs.")
    return tuple(
        [_wrap(item, output.type) for item in value] if output.many else _wrap(value, output.type)
        for value, output in zip(values, outputs, strict=True)
    )


def _wrap(value: Any, kind: str) -> Any:
    """A classic value as the type our nodes take. A mask may come without its batch axis."""
    if type(value).__name__ == "ExecutionBlocker":
        return Blocked(getattr(value, "message", None))
    if kind == "IMAGE" and hasattr(value, "ndim"):
        return types.Image(value if value.ndim == 4 else value[None])
    if kind == "MASK" and hasattr(value, "ndim"):
        return types.Mask(value if value.ndim == 3 else value[None] if value.ndim == 2 else value.flatten(0, -3))
    if kind == "LATENT" and isinstance(value, Mapping):
        index = value.get("batch_index")
        return types.Latent(value["samples"], value.get("noise_mask"), tuple(index) if index is not None else None)
    return value


def _plain(value: Any) -> Any:
    """One of our values as classic nodes know it."""
    match value:
        case types.Image(pixels=pixels):
            return pixels
        case types.Mask(values=values):
            return values
        case types.Latent(samples=samples, noise_mask=mask, batch_index=index):
            return {
                "samples": samples,
                **({"noise_mask": mask} if mask is not None else {}),
                **({"batch_index": list(index)} if index is not None else {}),
            }
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _shown(ui: Mapping[str, Sequence[Any]]) -> Shown:
    files: dict[str, Sequence[Saved]] = {}
    data: dict[str, Sequence[Any]] = {}
    for key, items in ui.items():
        if items and all(isinstance(item, Mapping) and "filename" in item for item in items):
            files[key] = [Saved(i["filename"], i.get("subfolder", ""), i.get("type", "output")) for i in items]
        else:
            data[key] = list(items)
    return Shown(files, data)


def _out(value: Any, graph: Mapping[str, Any]) -> Any:
    if isinstance(value, list | tuple) and len(value) == 2 and value[0] in graph and isinstance(value[1], int):
        return Out(str(value[0]), value[1])
    return value


def _linked(inputs: Mapping[str, Any], graph: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _out(value, graph) if isinstance(value, list | tuple) else value for name, value in inputs.items()}


def _accepted(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return dict(values)
    return {name: value for name, value in values.items() if name in parameters}


def _needs(cls: type) -> Callable[..., Iterable[str]]:
    def needs(**known: Any) -> Iterable[str]:
        status = cls().check_lazy_status  # type: ignore[attr-defined]
        return status(**_accepted(status, {name: _plain(value) for name, value in known.items()})) or ()

    return needs


def _fingerprint(cls: type) -> Callable[..., str | Never]:
    def fingerprint(**constants: Any) -> str | Never:
        changed = cls.IS_CHANGED  # type: ignore[attr-defined]
        try:
            value = changed(**_accepted(changed, constants))
        except Exception:  # noqa: BLE001 -- what cannot be told apart is run again
            return NEVER
        return NEVER if isinstance(value, float) and math.isnan(value) else repr(value)

    return fingerprint


def _check(cls: type) -> Callable[..., Iterable[str]]:
    def check(**constants: Any) -> Iterable[str]:
        validate = cls.VALIDATE_INPUTS  # type: ignore[attr-defined]
        answer = validate(**_accepted(validate, constants))
        if answer is not True:
            yield answer if isinstance(answer, str) else "the pack's own check refused the inputs."

    return check
