import { type End, isObject, type JobEvent, type JsonObject, type Output, text, texts } from "./events.js";

const PICTURE = 1;
const PICTURE_WITH_METADATA = 4;

/** The event that a server's text message tells; undefined when it tells nothing of a job. */
export function eventOf(type: string, data: JsonObject): JobEvent | undefined {
  const job = data.prompt_id;
  if (typeof job !== "string") return undefined;
  switch (type) {
    case "execution_start":
      return { type: "started", job };
    case "execution_cached":
      return { type: "cached", job, nodes: texts(data.nodes) };
    case "executing": {
      const node = text(data.node);
      return node ? { type: "executing", job, node, displayNode: text(data.display_node) || node } : undefined;
    }
    case "progress":
      return { type: "progress", job, node: text(data.node), value: Number(data.value), max: Number(data.max) };
    case "executed":
      return { type: "executed", job, node: text(data.node), output: isObject(data.output) ? data.output : {} };
    case "execution_error":
      return failure(job, data);
    case "execution_interrupted":
      return { type: "cancelled", job };
    default:
      return undefined;
  }
}

/** The picture in a binary frame. One that names no job belongs to the `running` one. */
export function previewOf(frame: ArrayBuffer, running: string | undefined): JobEvent | undefined {
  if (frame.byteLength < 8) return undefined;
  const view = new DataView(frame);
  const [kind, number] = [view.getUint32(0), view.getUint32(4)];
  if (kind === PICTURE && running) {
    const mime = number === 2 ? "image/png" : "image/jpeg";
    return { type: "preview", job: running, node: undefined, mime, data: new Uint8Array(frame, 8) };
  }
  if (kind !== PICTURE_WITH_METADATA || frame.byteLength < 8 + number) return undefined;
  const about = parsed(new TextDecoder().decode(new Uint8Array(frame, 8, number)));
  const job = text(about.prompt_id) || running;
  if (!job) return undefined;
  const data = new Uint8Array(frame, 8 + number);
  const mime = text(about.image_type) || "image/jpeg";
  return { type: "preview", job, node: text(about.node_id) || undefined, mime, data };
}

/** How a job ended, by its entry in the history. */
export function endOf(job: string, entry: JsonObject): End {
  const status = isObject(entry.status) ? entry.status : {};
  if (status.status_str !== "error") {
    return { type: "done", job, outputs: (isObject(entry.outputs) ? entry.outputs : {}) as Record<string, Output> };
  }
  for (const message of Array.isArray(status.messages) ? status.messages : []) {
    const [type, data] = Array.isArray(message) ? message : [];
    if (type === "execution_error") return failure(job, isObject(data) ? data : {});
    if (type === "execution_interrupted") return { type: "cancelled", job };
  }
  return lost(job, "The server does not say why it failed.");
}

/** A failure that no node is to blame for. */
export function lost(job: string, message: string): End {
  return { type: "failed", job, message, node: "", nodeType: "", exceptionType: "", traceback: [] };
}

/** A JSON text's object; an empty one where it holds none. */
export function parsed(json: string): JsonObject {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function failure(job: string, data: JsonObject): End {
  return {
    type: "failed",
    job,
    message: text(data.exception_message),
    node: text(data.node_id),
    nodeType: text(data.node_type),
    exceptionType: text(data.exception_type),
    traceback: texts(data.traceback),
  };
}
