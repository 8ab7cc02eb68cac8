"""The base folder: where models, inputs and outputs are, and the only way from a name to a path.

Every file name that comes from a workflow or a request goes through `Folders`; a path that leaves its root, by dots,
drives, devices or links, is refused before anything is opened.
"""

from __future__ import annotations

import difflib
import errno
import filecmp
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from nodes.define import Context, NodeError, Provided, Saved
from nodes.digests import digest

Place = Literal["input", "output", "temp"]
Write = Callable[[BinaryIO], object]
"""Writes a file's content into it."""
PLACES: tuple[Place, ...] = ("input", "output", "temp")

MODEL_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",),
    "configs": ("configs",),
    "loras": ("loras",),
    "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("unet", "diffusion_models"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "embeddings": ("embeddings",),
    "diffusers": ("diffusers",),
    "vae_approx": ("vae_approx",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",),
    "upscale_models": ("upscale_models",),
    "latent_upscale_models": ("latent_upscale_models",),
    "custom_nodes": ("custom_nodes",),
    "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",),
    "classifiers": ("classifiers",),
    "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
    "ipadapter": ("ipadapter",),
    "annotators": ("annotators",),
}
"""Folder keys in ComfyUI's order, with the folders under models/ that each reads."""

ALIASES: Mapping[str, str] = {"unet": "diffusion_models", "clip": "text_encoders"}
MODEL_SUFFIXES = frozenset({".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pt2", ".bin", ".pth", ".pkl"})
STARTER = "sfumato-starter"
"""The bundled checkpoint's name."""

_STARTER_FOLDER = Path(__file__).parent / "starter"
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(?:\..*)?", re.IGNORECASE)
_ANNOTATED = re.compile(r"(?P<name>.*?) ?\[(?P<place>input|output|temp)\]", re.DOTALL)
_MAX_SEGMENT_BYTES = 255
_TEMPORARY = ".sfumato-"


class MissingFile(NodeError):  # noqa: N818 -- reads as what it is
    """No file of this name is where it should be."""


class UnsafePath(NodeError):  # noqa: N818
    """A name that leaves its folder, or that no file system would take as it is."""


def segments_of(name: str) -> tuple[str, ...]:
    """The folders and the file that a relative name is made of. Raises UnsafePath unless each is a plain name."""
    if not name or len(name) > 4096:
        raise UnsafePath(f"{_shown(name)} is no file name.")
    parts = tuple(name.replace("\\", "/").split("/"))
    for part in parts:
        plain = part not in ("", ".", "..") and not part.endswith((" ", ".")) and ":" not in part
        if not plain or any(ord(c) < 32 or ord(c) == 127 for c in part) or _RESERVED.fullmatch(part):
            raise UnsafePath(f"{_shown(name)} is no name of a file inside its folder.")
        if len(part.encode("utf-8", "surrogatepass")) > _MAX_SEGMENT_BYTES:
            raise UnsafePath(f"{_shown(name)} is longer than a file name can be ({_MAX_SEGMENT_BYTES} bytes).")
    return parts


def inside(root: Path, name: str, also: Sequence[Path] = ()) -> Path:
    """The path of `name` under `root`, links resolved. Raises UnsafePath when it leaves `root` and all of `also`."""
    if "\x00" in name or any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise UnsafePath(f"{_shown(name)} is no file name.")
    path = root.joinpath(*segments_of(name))
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(allowed)) for allowed in (root, *also)):
        raise UnsafePath(
            f"{_shown(name)} is a link that leaves its folder; name the other folder in extra_model_paths.yaml instead."
        )
    return path


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")


@dataclass(frozen=True)
class _Listing:
    stamps: Mapping[str, int]
    names: tuple[str, ...]


@dataclass
class Folders(Provided):
    """A base folder with ComfyUI's layout: models/, input/, output/, temp/, user/, custom_nodes/.

    `extra` are more folders for a key (from extra_model_paths.yaml), searched after the base folder's unless they were
    declared default. The bundled model is there always, behind the user's own. With `allow_downloads` nodes may fetch
    the models that they miss.
    """

    base: Path
    extra: Mapping[str, Sequence[Path]] = field(default_factory=dict[str, Sequence[Path]])
    output: Path | None = None
    allow_downloads: bool = False
    _listings: dict[str, _Listing] = field(default_factory=dict[str, _Listing], repr=False)

    @staticmethod
    def at(
        base: Path, *, output: Path | None = None, config: Path | None = None, allow_downloads: bool = False
    ) -> Folders:
        """The folders of `base`, with what its extra_model_paths.yaml (or `config`) adds."""
        path = config or base / "extra_model_paths.yaml"
        extra = read_extra_model_paths(path) if path.is_file() else {}
        elsewhere = output.expanduser().absolute() if output else None
        return Folders(base.expanduser().absolute(), extra, elsewhere, allow_downloads)

    def root(self, place: str) -> Path:
        """The folder of "input", "output" or "temp". Raises UnsafePath for another word."""
        if place not in PLACES:
            raise UnsafePath(f"{_shown(place)} is none of {', '.join(PLACES)}.")
        return self.output if place == "output" and self.output else self.base / place

    @property
    def user(self) -> Path:
        """Where settings and saved workflows are."""
        return self.base / "user"

    @property
    def state(self) -> Path:
        """Where Sfumato keeps what is its own: jobs, results, the catalogue. Never served."""
        return self.base / "user" / ".sfumato"

    def roots(self, kind: str) -> tuple[Path, ...]:
        """The folders in which files of a kind are looked for, first come first served."""
        key = ALIASES.get(kind, kind)
        if key in PLACES:
            return (self.root(key),)
        if key == "custom_nodes":
            return (self.base / "custom_nodes", *self.extra.get(key, ()))
        names = MODEL_FOLDERS.get(key)
        if names is None:
            raise UnsafePath(f"{_shown(kind)} is no model folder.")
        own = [self.base / "models" / name for name in names]
        return (*own, *self.extra.get(key, ()), _STARTER_FOLDER / key)

    def names(self, kind: str) -> tuple[str, ...]:
        """What there is of a kind, sorted, with forward slashes; listed again only when a folder changed."""
        key = ALIASES.get(kind, kind)
        known = self._listings.get(key)
        if known is not None and all(_stamp(Path(d)) == t for d, t in known.stamps.items()):
            return known.names
        stamps: dict[str, int] = {}
        own: set[str] = set()
        bundled: set[str] = set()
        for root in self.roots(key):
            stamps[str(root)] = _stamp(root)
            (bundled if root == _STARTER_FOLDER / key else own).update(_list(root, key, stamps))
        # What is bundled comes last: the first of a list is what a new node takes.
        names = [*sorted(own), *sorted(bundled - own)]
        if key == "checkpoints" and (_STARTER_FOLDER / "weights").is_dir():
            names.append(STARTER)
        self._listings[key] = _Listing(stamps, tuple(names))
        return tuple(names)

    def has(self, kind: str, name: str) -> bool:
        """Whether `path` would find it."""
        try:
            self.path(kind, name)
        except NodeError:
            return False
        return True

    def path(self, kind: str, name: str) -> Path:
        """The file (or diffusers folder) of this name. Raises MissingFile naming near matches, or UnsafePath."""
        key = ALIASES.get(kind, kind)
        if key in PLACES:
            return self.file(name, cast(Place, key))
        if key == "checkpoints" and name == STARTER:
            return _STARTER_FOLDER / "weights"
        roots = self.roots(key)
        for root in roots:
            path = inside(root, name, roots)
            if path.exists():
                return path
        near = difflib.get_close_matches(name, self.names(key), n=3, cutoff=0.5)
        hint = f" Near matches: {', '.join(near)}." if near else ""
        raise MissingFile(f"{_shown(name)} is not in models/{MODEL_FOLDERS[key][0]}.{hint}")

    def digest(self, kind: str, name: str) -> str:
        """SHA-256 of the file (or diffusers folder) of this name, as 64 hex digits. Raises like `path`."""
        return digest(self.path(kind, name))

    def file(self, name: str, default: Place = "input") -> Path:
        """The input, output or temporary file that a name means; `a.png [output]` says which. Raises MissingFile."""
        path = self.place(name, default)
        if not path.is_file():
            raise MissingFile(f"{_shown(name)} is not in the {path_place(name, default)} folder.")
        return path

    def place(self, name: str, default: Place = "input") -> Path:
        """Like `file`, for a file that need not exist."""
        found = _ANNOTATED.fullmatch(name)
        place = cast(Place, found["place"]) if found else default
        return inside(self.root(place), found["name"] if found else name)

    def exists(self, saved: Saved) -> bool:
        """Whether a file that a node wrote is still there."""
        try:
            relative = f"{saved.subfolder}/{saved.filename}" if saved.subfolder else saved.filename
            return inside(self.root(saved.type), relative).is_file()
        except UnsafePath:
            return False

    def save(
        self,
        prefix: str,
        suffix: str,
        data: bytes | Write,
        *,
        place: Place = "output",
        ctx: Context | None = None,
        index: int = 0,
        size: tuple[int, int] = (0, 0),
    ) -> Saved:
        """Write a new numbered file, `prefix_00001_.png`, and say where; whole or not at all.

        The prefix may hold subfolders and %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%,
        %batch_num%. With a context, a job that runs again after a crash finds the file it had written instead of
        writing a second one. `index` numbers the files of one node; `size` is (width, height). What is large gives
        a function that writes it in place of the bytes. Raises NodeError where nothing can be written.
        """
        root = self.root(place)
        parts = segments_of(expand(prefix, index, size))
        folder = inside(root, "/".join(parts[:-1])) if parts[:-1] else root
        inside(root, "/".join(parts))
        claimed = ctx.claimed(index) if ctx else None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if claimed and isinstance(data, bytes) and _same(folder / claimed, data):
                return Saved(claimed, "/".join(parts[:-1]), place)
            with _temporary(folder, data) as temporary:
                if claimed and (folder / claimed).is_file() and filecmp.cmp(temporary, folder / claimed, shallow=False):
                    return Saved(claimed, "/".join(parts[:-1]), place)
                for number in _numbers(folder, parts[-1]):
                    name = f"{parts[-1]}_{number:05}_{suffix}"
                    if ctx:
                        ctx.claim(index, name)
                    if _publish(temporary, folder / name):
                        return Saved(name, "/".join(parts[:-1]), place)
        except OSError as error:
            said = error.strerror or type(error).__name__
            where = "/".join((place, *parts[:-1]))
            raise NodeError(f"Nothing can be saved in {where}: {said}. See to that, then run it again.") from error
        raise AssertionError("numbers do not end")


def path_place(name: str, default: Place) -> str:
    """The place that an annotated name means."""
    found = _ANNOTATED.fullmatch(name)
    return found["place"] if found else default


def expand(prefix: str, index: int, size: tuple[int, int]) -> str:
    """A file name prefix with its %variables% filled in."""
    now = datetime.now().astimezone()
    values = {
        "width": str(size[0]),
        "height": str(size[1]),
        "batch_num": str(index),
        "year": str(now.year),
        "month": f"{now.month:02}",
        "day": f"{now.day:02}",
        "hour": f"{now.hour:02}",
        "minute": f"{now.minute:02}",
        "second": f"{now.second:02}",
    }
    return re.sub(r"%(\w+)%", lambda m: values.get(m[1], m[0]), prefix)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file's content, so that at any moment it is the old or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path.parent, data) as temporary:
        temporary.replace(path)
        _sync_folder(path.parent)


def read_extra_model_paths(path: Path) -> dict[str, list[Path]]:
    """The folders that an extra_model_paths.yaml adds, by key; those of a default section first.

    Raises NodeError saying what is wrong with the file.
    """
    import yaml  # noqa: PLC0415 -- most have no such file

    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise NodeError(f"{path.name} cannot be read: {str(error).splitlines()[0]}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise NodeError(f"{path.name} must be a mapping of sections.")
    found: dict[str, list[Path]] = {}
    for section, raw in cast("dict[str, Any]", content).items():
        if not isinstance(raw, dict):
            raise NodeError(f"{path.name}: section {section!r} must be a mapping of folders.")
        entries = dict(cast("dict[str, Any]", raw))
        base = path.parent / Path(str(entries.pop("base_path", "."))).expanduser()
        first = bool(entries.pop("is_default", False))
        for key, value in entries.items():
            paths = [base / Path(line.strip()).expanduser() for line in str(value).splitlines() if line.strip()]
            known = found.setdefault(ALIASES.get(key, key), [])
            known[:0] = paths if first else []
            known.extend([] if first else paths)
    return found


def _stamp(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return -1


def _list(root: Path, key: str, stamps: dict[str, int]) -> Iterator[str]:
    """Names under a root; notes each folder's stamp on the way."""
    flat = key in PLACES
    for folder, subfolders, files in os.walk(root, followlinks=True):
        here = Path(folder)
        stamps[folder] = _stamp(here)
        relative = here.relative_to(root).as_posix()
        prefix = "" if relative == "." else relative + "/"
        if key == "diffusers" and "model_index.json" in files:
            subfolders.clear()
            yield relative
            continue
        subfolders[:] = [] if flat else [s for s in sorted(subfolders) if not s.startswith(".")]
        if len(stamps) > 20_000:  # a link that leads back up would never end
            subfolders.clear()
        for name in files:
            if not name.startswith(".") and (flat or Path(name).suffix.lower() in MODEL_SUFFIXES):
                yield prefix + name


def _numbers(folder: Path, stem: str) -> Iterator[int]:
    """Counters to try: one more than the highest in use, then on."""
    pattern = re.compile(re.escape(stem) + r"_(\d+)(?:_.*|\..*)", re.IGNORECASE)
    with os.scandir(folder) as entries:
        used = [int(m[1]) for e in entries if (m := pattern.fullmatch(e.name)) and len(m[1]) < 18]
    number = max(used, default=0)
    while True:
        number += 1
        yield number


class _temporary:  # noqa: N801 -- a context manager, used like a function
    """A synced temporary file beside its final place, gone afterwards if it was not moved."""

    def __init__(self, folder: Path, data: bytes | Write) -> None:
        self._folder = folder
        self._write: Write = (lambda file: file.write(data)) if isinstance(data, bytes) else data
        self._path: Path | None = None

    def __enter__(self) -> Path:
        self._path = self._folder / f"{_TEMPORARY}{secrets.token_hex(8)}.tmp"
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                self._write(file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise
        return self._path

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _publish(temporary: Path, final: Path) -> bool:
    """Give a finished file its name, unless another has it already."""
    try:
        os.link(temporary, final)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV):
            raise
        if final.exists():
            return False
        temporary.replace(final)  # file systems without hard links: FAT, some network shares
    _sync_folder(final.parent)
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _same(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
