"""The types of what the API takes and gives. The description of the API is made of them."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class ExecInfo(TypedDict):
    """How many jobs wait or run."""

    queue_remaining: int


class QueueLength(TypedDict):
    """The queue's length."""

    exec_info: ExecInfo


class PromptBody(TypedDict):
    """What to run: an API-format prompt, or an editor's file as it is."""

    prompt: dict[str, Any]
    client_id: NotRequired[str]
    prompt_id: NotRequired[str]
    number: NotRequired[float]
    front: NotRequired[bool]
    partial_execution_targets: NotRequired[list[str]]
    extra_data: NotRequired[dict[str, Any]]


class Fault(TypedDict):
    """One thing that is wrong. `sentence` says to a person what, where, which value and what to do."""

    type: str
    message: str
    details: str
    extra_info: dict[str, Any]
    sentence: NotRequired[str]


class NodeFaults(TypedDict):
    """What is wrong with a node, and which outputs cannot be made because of it."""

    errors: list[Fault]
    dependent_outputs: list[str]
    class_type: str


class Refusal(TypedDict):
    """Why a request was refused."""

    error: Fault
    node_errors: dict[str, NodeFaults]


class Accepted(TypedDict):
    """The job that was made. Outputs that cannot be made are left out, with the reasons in node_errors."""

    prompt_id: str
    number: float
    node_errors: dict[str, NodeFaults]


class Verdict(TypedDict):
    """Every problem of a prompt; nothing was run."""

    valid: bool
    error: Fault | None
    node_errors: dict[str, NodeFaults]
    outputs: list[str]
    sentences: list[str]


class QueueState(TypedDict):
    """Items are [number, prompt_id, prompt, extra_data, outputs_to_execute]."""

    queue_running: list[list[Any]]
    queue_pending: list[list[Any]]
    paused: str


class QueueEdit(TypedDict, total=False):
    """Take waiting jobs out of the queue."""

    clear: bool
    delete: list[str]


class InterruptBody(TypedDict, total=False):
    """Stop only this job."""

    prompt_id: str


class FreeBody(TypedDict, total=False):
    """What to give back."""

    unload_models: bool
    free_memory: bool


class MoveBody(TypedDict):
    """Put a waiting job before another one; null puts it last."""

    before: str | None


class Moved(TypedDict):
    """Whether the job was moved."""

    moved: bool


class Cancelled(TypedDict):
    """Whether there was such a job."""

    cancelled: bool


class Pause(TypedDict, total=False):
    """Why the queue is paused."""

    reason: str


class Paused(TypedDict):
    """Empty when the queue is not paused."""

    paused: str


class HistoryQuery(TypedDict, total=False):
    """Which part of the history. `text` searches prompts."""

    max_items: int
    offset: int
    text: str


class HistoryStatus(TypedDict):
    """How a job ended; messages are [event, data]."""

    status_str: Literal["success", "error"]
    completed: bool
    messages: list[list[Any]]


class HistoryEntry(TypedDict):
    """A job that has ended."""

    prompt: list[Any]
    outputs: dict[str, Any]
    status: HistoryStatus
    meta: dict[str, Any]


class JobsQuery(TypedDict, total=False):
    """Which jobs to list. `status` is a comma-separated list of pending, in_progress, completed, failed."""

    status: str
    workflow_id: str
    text: str
    sort_by: Literal["created_at", "execution_duration"]
    sort_order: Literal["asc", "desc"]
    limit: int
    offset: int


class JobInfo(TypedDict):
    """A job. `state` says more than ComfyUI's `status`: queued, running, done, failed, cancelled, quarantined."""

    id: str
    status: Literal["pending", "in_progress", "completed", "failed"]
    state: str
    priority: float
    create_time: int
    execution_start_time: NotRequired[int]
    execution_end_time: NotRequired[int]
    execution_error: NotRequired[dict[str, Any]]
    outputs_count: NotRequired[int]
    preview_output: NotRequired[dict[str, Any]]
    workflow_id: NotRequired[str]
    attempt: NotRequired[int]
    worker: NotRequired[str]
    reason: NotRequired[str]
    outputs: NotRequired[dict[str, Any]]
    execution_status: NotRequired[HistoryStatus]
    workflow: NotRequired[dict[str, Any]]
    attempts: NotRequired[list[dict[str, Any]]]


class Pagination(TypedDict):
    """Where a page of jobs is among all."""

    offset: int
    limit: int | None
    total: int
    has_more: bool


class JobPage(TypedDict):
    """A page of jobs."""

    jobs: list[JobInfo]
    pagination: Pagination


class WaitQuery(TypedDict, total=False):
    """How many seconds, at most 60, the answer may take."""

    wait: int


class SinceQuery(TypedDict, total=False):
    """The number of the last event that was seen, and how many seconds, at most 60, the answer may take."""

    since: int
    wait: int


class LoggedEvent(TypedDict):
    """An event of a job; numbers only grow."""

    seq: int
    type: str
    data: dict[str, Any]


class EventList(TypedDict):
    """What happened to a job."""

    events: list[LoggedEvent]


class SocketQuery(TypedDict, total=False):
    """Who connects, and the last event that was seen."""

    clientId: str
    since: int


class FileRef(TypedDict):
    """A file in the input, output or temp folder."""

    name: str
    subfolder: str
    type: str


class ViewQuery(TypedDict, total=False):
    """Which file, and in which form; `size` is the longest side that a preview may have."""

    filename: str
    type: Literal["input", "output", "temp"]
    subfolder: str
    preview: str
    size: int
    channel: Literal["rgba", "rgb", "a"]


class FolderQuery(TypedDict, total=False):
    """Which folder inside."""

    subfolder: str


class MetadataQuery(TypedDict):
    """Which safetensors file."""

    filename: str


class ModelFolder(TypedDict):
    """A model folder."""

    name: str
    folders: list[str]


class ModelFile(TypedDict):
    """A model file."""

    name: str
    pathIndex: int
    modified: float
    created: float
    size: int
    preview: bool


class SystemInfo(TypedDict):
    """The machine and the versions."""

    os: str
    ram_total: int
    ram_free: int
    comfyui_version: str
    required_frontend_version: str
    installed_templates_version: str
    required_templates_version: str
    python_version: str
    pytorch_version: str
    embedded_python: bool
    argv: list[str]
    sfumato_version: str


class DeviceInfo(TypedDict):
    """A device."""

    name: str
    type: str
    index: int | None
    vram_total: int
    vram_free: int
    torch_vram_total: int
    torch_vram_free: int


class SystemStats(TypedDict):
    """The machine, and a device for each worker."""

    system: SystemInfo
    devices: list[DeviceInfo]


class Users(TypedDict):
    """Where settings are kept."""

    storage: str
    migrated: NotRequired[bool]
    users: NotRequired[dict[str, str]]


class NewUser(TypedDict):
    """The name of a user to make."""

    username: str


class LogLine(TypedDict):
    """A line of the log: when, and what."""

    t: str
    m: str


class LogSize(TypedDict):
    """The terminal that lines are made for."""

    cols: int
    rows: int


class Logs(TypedDict):
    """The last lines of the log."""

    entries: list[LogLine]
    size: LogSize


class FollowLogs(TypedDict):
    """Whose socket is told of new lines, or no more."""

    clientId: str
    enabled: bool


class DownloadBody(TypedDict):
    """A model file: where it is, the model folder it belongs in, its name there, and its SHA-256 if that is known."""

    url: str
    directory: str
    name: str
    hash: NotRequired[str]
    hash_type: NotRequired[str]


class DownloadState(TypedDict):
    """How far a download has come; `total` is null while it is not known."""

    id: str
    url: str
    directory: str
    name: str
    state: Literal["running", "done", "failed", "cancelled"]
    bytes: int
    total: int | None
    error: str


class UserDataQuery(TypedDict, total=False):
    """Which folder, and how to list it."""

    dir: str
    recurse: str
    full_info: str
    split: str


class UserPathQuery(TypedDict, total=False):
    """Which folder."""

    path: str


class UserWriteQuery(TypedDict, total=False):
    """How to write."""

    overwrite: str
    full_info: str


class UserEntry(TypedDict):
    """A file or folder of the user's."""

    name: str
    path: str
    type: Literal["file", "directory"]
    size: NotRequired[int]
    modified: NotRequired[float]


class Box(TypedDict):
    """A node seen from afar, with the type of what it gives."""

    x: float
    y: float
    width: float
    height: float
    type: str


class Line(TypedDict):
    """A link seen from afar, between boxes by their places in the list."""

    start: int
    end: int
    type: str


class Sketch(TypedDict):
    """A graph seen from afar."""

    boxes: list[Box]
    lines: list[Line]


class Template(TypedDict):
    """A workflow that ships. Where there is no picture of what it makes, there is a sketch of the graph."""

    name: str
    title: str
    description: str
    thumbnail: str | None
    sketch: Sketch | None


class PackFault(TypedDict):
    """A custom pack that could not be loaded."""

    pack: str
    reason: str


class Pack(TypedDict):
    """The custom pack that a thing is from."""

    node_pack: str


class Subgraph(TypedDict):
    """A subgraph that a custom pack brings."""

    source: str
    name: str
    info: Pack


class SubgraphText(Subgraph):
    """A subgraph with the text of its file, as JSON."""

    data: str


class FieldsAsked(TypedDict):
    """Nodes as an editor's file has them, each with its type, inputs and values."""

    nodes: list[dict[str, Any]]


class FieldTold(TypedDict):
    """A field of a node: its name, and the socket type that may feed it."""

    name: str
    type: str


class FieldsTold(TypedDict):
    """For each node the fields that its values are of, in order; null where nothing is known."""

    fields: list[list[FieldTold] | None]


class Converted(TypedDict):
    """A workflow as an editor's file, and what there is to know about how it was made."""

    document: dict[str, Any]
    notes: list[str]
