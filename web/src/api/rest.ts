import { isObject, type Json, type JsonObject, readJson, writeJson } from "../model/json";
import type { Fault } from "../model/problems";
import type { Prompt } from "../model/prompt";

/* The server's routes, one function each. What fails raises ServerError with a sentence that can be shown. */

export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly body?: unknown,
  ) {
    super(message);
  }
}

export interface ImageRef {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
}

export async function call(path: string, init?: RequestInit): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(`/api${path}`, init);
  } catch {
    throw new ServerError("The server does not answer. Is it still running?", 0);
  }
  if (reply.ok) return reply;
  const text = await reply.text();
  const body = parse(text);
  const error = isObject(body) ? body.error : undefined;
  const said = isObject(error)
    ? [error.message, error.details].filter(Boolean).join(": ")
    : typeof error === "string"
      ? error
      : "";
  throw new ServerError(said || text.slice(0, 200) || `The server said ${reply.status}.`, reply.status, body);
}

function parse(text: string): unknown {
  try {
    return readJson(text);
  } catch {
    return undefined;
  }
}

export async function getJson(path: string): Promise<unknown> {
  return readJson(await (await call(path)).text());
}

function post(path: string, body: unknown): Promise<Response> {
  return call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: writeJson(body) });
}

/** Read the quick way: the bounds of seeds are rounded, and `clampInteger` knows. */
export const getObjectInfo = async (): Promise<unknown> => (await call("/object_info")).json();
export const getSystemStats = () => getJson("/system_stats");

export interface Submission {
  readonly prompt: Prompt;
  readonly workflow: JsonObject;
  readonly clientId: string;
  /** What the queue calls it. */
  readonly title?: string;
  readonly front?: boolean;
  readonly targets?: readonly string[];
}

export interface Accepted {
  readonly prompt_id: string;
  readonly number: number;
  readonly node_errors: { readonly [id: string]: NodeProblems };
}

export interface NodeProblems {
  readonly class_type: string;
  readonly errors: readonly (Fault & { readonly type: string })[];
}

export async function submit(job: Submission): Promise<Accepted> {
  const reply = await post("/prompt", {
    client_id: job.clientId,
    prompt: job.prompt,
    extra_data: {
      extra_pnginfo: { workflow: job.workflow },
      preview_method: "auto",
      ...(job.title ? { title: job.title } : {}),
    },
    ...(job.front ? { front: true } : {}),
    ...(job.targets ? { partial_execution_targets: job.targets } : {}),
  });
  return (await reply.json()) as Accepted;
}

export interface QueueItem {
  readonly number: number;
  readonly id: string;
  readonly prompt: Prompt;
  readonly extra: JsonObject;
}

export interface Queue {
  readonly running: readonly QueueItem[];
  readonly pending: readonly QueueItem[];
  /** Why nothing is started, where the queue is paused. */
  readonly paused: string;
}

export async function getQueue(): Promise<Queue> {
  const raw = (await getJson("/queue")) as {
    queue_running: Json[][];
    queue_pending: Json[][];
    paused?: string;
  };
  const pending = raw.queue_pending.map(readItem).sort((a, b) => a.number - b.number);
  return { running: raw.queue_running.map(readItem), pending, paused: raw.paused ?? "" };
}

function readItem(item: readonly Json[]): QueueItem {
  const [number, id, prompt, extra] = item;
  return {
    number: Number(number),
    id: String(id),
    prompt: (prompt ?? {}) as unknown as Prompt,
    extra: isObject(extra) ? extra : {},
  };
}

const job = (id: string, what: string) => `/jobs/${encodeURIComponent(id)}/${what}`;

/** Puts a waiting job before another one, or last. False where one of them waits no more. */
export async function moveJob(id: string, before: string | null): Promise<boolean> {
  return ((await (await post(job(id, "move"), { before })).json()) as { moved: boolean }).moved;
}

export const cancelJob = (id: string) => post(job(id, "cancel"), {});
export const pauseQueue = () => post("/queue/pause", {});
export const resumeQueue = () => post("/queue/resume", {});

export interface Told {
  readonly seq: number;
  readonly type: string;
  readonly data: JsonObject;
}

/** What happened to a job so far. */
export async function getJobEvents(id: string): Promise<readonly Told[]> {
  return ((await getJson(job(id, "events"))) as { events: readonly Told[] }).events;
}

export const dequeue = (ids: readonly string[]) => post("/queue", { delete: ids });
export const interrupt = (prompt_id?: string) => post("/interrupt", prompt_id ? { prompt_id } : {});

export interface HistoryEntry {
  readonly id: string;
  readonly prompt: Prompt;
  readonly extra: JsonObject;
  readonly outputs: { readonly [node: string]: { readonly images?: readonly ImageRef[] } & JsonObject };
  readonly status: {
    readonly status_str: string;
    readonly completed: boolean;
    readonly messages: readonly (readonly [string, JsonObject])[];
  };
}

/** Finished jobs, the newest first. */
export async function getHistory(limit: number): Promise<readonly HistoryEntry[]> {
  const raw = (await getJson(`/history?max_items=${limit}`)) as Record<string, JsonObject>;
  return Object.entries(raw).map(readEntry).reverse();
}

export async function getHistoryEntry(id: string): Promise<HistoryEntry | undefined> {
  const raw = (await getJson(`/history/${encodeURIComponent(id)}`)) as Record<string, JsonObject>;
  const entry = raw[id];
  return entry && readEntry([id, entry]);
}

/** Whether the job still waits or runs, if it does so for longer than this. */
export async function stillRuns(id: string, seconds: number): Promise<boolean> {
  const reply = await fetch(`/api/jobs/${encodeURIComponent(id)}?wait=${seconds}`);
  const job = reply.ok ? ((await reply.json()) as JsonObject) : {};
  return job.status === "pending" || job.status === "in_progress";
}

function readEntry([id, entry]: [string, JsonObject]): HistoryEntry {
  const prompt = (Array.isArray(entry.prompt) ? entry.prompt : []) as readonly Json[];
  return {
    id,
    prompt: (isObject(prompt[2]) ? prompt[2] : {}) as unknown as Prompt,
    extra: isObject(prompt[3]) ? prompt[3] : {},
    outputs: (isObject(entry.outputs) ? entry.outputs : {}) as HistoryEntry["outputs"],
    status: (isObject(entry.status)
      ? entry.status
      : { status_str: "success", completed: true, messages: [] }) as unknown as HistoryEntry["status"],
  };
}

export const forget = (ids: readonly string[]) => post("/history", { delete: ids });

/** The size at which lists of pictures ask for them. */
export const THUMBNAIL = 384;

/** Where the picture is; with a size, a copy with no longer side. */
export function imageUrl(image: ImageRef, size?: number): string {
  const query = new URLSearchParams({
    filename: image.filename,
    subfolder: image.subfolder ?? "",
    type: image.type ?? "output",
  });
  if (size) {
    query.set("preview", "webp;85");
    query.set("size", String(size));
  }
  return `/api/view?${query}`;
}

/** What a "Load Image" widget holds ("sub/name.png [output]") as a reference. */
export function imageFromName(name: string, folder = "input"): ImageRef {
  const match = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(name);
  const path = match?.[1] ?? name;
  const cut = path.lastIndexOf("/");
  return { filename: path.slice(cut + 1), subfolder: cut < 0 ? "" : path.slice(0, cut), type: match?.[2] ?? folder };
}

export function imageName(image: ImageRef, folder = "input"): string {
  const path = image.subfolder ? `${image.subfolder}/${image.filename}` : image.filename;
  return image.type === folder ? path : `${path} [${image.type}]`;
}

export async function uploadImage(file: Blob, name: string, folder?: string): Promise<ImageRef> {
  return upload("/upload/image", file, name, folder ? { type: folder } : {});
}

/** The names of the files in a folder of the server, the newest first. */
export async function listFiles(type: string, subfolder: string): Promise<readonly string[]> {
  const reply = await fetch(`/internal/files/${type}?${new URLSearchParams({ subfolder })}`);
  if (!reply.ok) throw new ServerError(`The server does not list its ${type} folder.`, reply.status);
  return (await reply.json()) as readonly string[];
}

export async function uploadMask(file: Blob, name: string, original: ImageRef): Promise<ImageRef> {
  const ref = JSON.stringify({ filename: original.filename, subfolder: original.subfolder, type: original.type });
  return upload("/upload/mask", file, name, { original_ref: ref, subfolder: "masks" });
}

async function upload(
  path: string,
  file: Blob,
  name: string,
  fields: Readonly<Record<string, string>>,
): Promise<ImageRef> {
  const form = new FormData();
  form.set("image", file, name);
  for (const [key, value] of Object.entries(fields)) form.set(key, value);
  const reply = (await (await call(path, { method: "POST", body: form })).json()) as {
    name: string;
    subfolder: string;
    type: string;
  };
  return { filename: reply.name, subfolder: reply.subfolder, type: reply.type };
}

interface ModelFile {
  readonly name: string;
  readonly pathIndex: number;
  readonly preview?: boolean;
}

/** The pictures that lie beside the model files of a folder, by the file's name. */
export async function listModelPictures(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = (await getJson(`/experiment/models/${folder}`)) as readonly ModelFile[];
  const path = (name: string) => name.split("/").map(encodeURIComponent).join("/");
  return new Map(
    files
      .filter((one) => one.preview)
      .map((one) => [one.name, `/api/experiment/models/preview/${folder}/${one.pathIndex}/${path(one.name)}`]),
  );
}

export const listEmbeddings = async () => (await getJson("/embeddings")) as readonly string[];

/** CLIP's merges, the most important first. */
export const getMerges = async () => (await (await call("/vocabulary/clip")).text()).split("\n");
/** How many tokens each embedding stands for; null where its file does not say. */
export const getEmbeddingLengths = async () =>
  (await getJson("/vocabulary/embeddings")) as Readonly<Record<string, number | null>>;

/** The editor's file of what another program wrote, and what there is to know about it. */
export async function convertText(text: string) {
  const reply = await call("/convert", { method: "POST", body: text });
  return readJson(await reply.text()) as { readonly document: JsonObject; readonly notes: readonly string[] };
}

/** Loaded when a file wants it: most do not. */
export const fieldsOf = async (nodes: readonly JsonObject[]) => (await import("./fields")).fieldsOf(nodes);

export interface SavedFile {
  readonly path: string;
  readonly size: number;
  readonly modified: number;
}

const FOLDER = "workflows";

/** What is saved, read from the top so that a folder that is not there yet is no error. */
export async function listWorkflows(): Promise<readonly SavedFile[]> {
  const all = (await getJson("/v2/userdata?path=")) as readonly (SavedFile & { readonly type: string })[];
  const inside = `${FOLDER}/`;
  return all
    .filter((one) => one.type === "file" && one.path.startsWith(inside))
    .map((one) => ({ path: one.path.slice(inside.length), size: one.size, modified: one.modified }));
}

const userFile = (path: string) => `/userdata/${encodeURIComponent(`${FOLDER}/${path}`)}`;

export interface SavedText {
  readonly text: string;
  readonly version?: string;
}

export async function readWorkflow(path: string): Promise<SavedText> {
  const reply = await call(userFile(path));
  return { text: await reply.text(), version: versionOf(reply) };
}

const versionOf = (reply: Response) => reply.headers.get("ETag")?.replace(/^W\//, "");

/** What may be there already: nothing, the version that one knows, or whatever there is. */
export type Replacing = "nothing" | "anything" | { readonly version: string };

/**
 * Saves, and gives the version that was made. Raises ServerError with status 409 where there is a file and nothing was
 * to be replaced, and with 412 where the file is not the version that one knows.
 */
export async function writeWorkflow(path: string, text: string, replacing: Replacing): Promise<string | undefined> {
  const headers = typeof replacing === "object" ? { "If-Match": replacing.version } : undefined;
  const url = `${userFile(path)}?overwrite=${replacing !== "nothing"}&full_info=true`;
  return versionOf(await call(url, { method: "POST", body: text, headers }));
}

/** Moves a saved workflow. ServerError 409 where there is one of that name. */
export function moveWorkflow(from: string, to: string): Promise<Response> {
  const target = encodeURIComponent(`${FOLDER}/${to}`);
  return call(`${userFile(from)}/move/${target}?overwrite=false`, { method: "POST" });
}

export function deleteWorkflow(path: string): Promise<Response> {
  return call(userFile(path), { method: "DELETE" });
}

export interface Template {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly thumbnail: string | null;
  /** The graph seen from afar, where there is no picture of what it makes. */
  readonly sketch: Sketch | null;
}

export interface Sketch {
  readonly boxes: readonly {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly type: string;
  }[];
  readonly lines: readonly { readonly start: number; readonly end: number; readonly type: string }[];
}

export async function listTemplates(): Promise<readonly Template[]> {
  const reply = await fetch("/templates/index.json");
  if (!reply.ok) return [];
  const list = (await reply.json()) as unknown;
  return Array.isArray(list)
    ? list.filter((one): one is Template => isObject(one) && typeof one.name === "string")
    : [];
}

export async function readTemplate(name: string): Promise<string> {
  const reply = await fetch(`/templates/${encodeURIComponent(name)}.json`);
  if (!reply.ok) throw new ServerError(`The template ${name} is not on this server.`, reply.status);
  return reply.text();
}

export const templatePicture = (name: string) => `/templates/${encodeURIComponent(name)}`;
