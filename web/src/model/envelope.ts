import { isApiFile } from "./apiFile";
import { isEditorFile } from "./editorFile";
import { isObject, type JsonObject } from "./json";

/* What files hold around a workflow: bodies of requests to a server, jobs, and keys beside the nodes. */

export interface Enveloped {
  /** How the editor shows it. */
  readonly document?: JsonObject;
  /** What runs: nodes by id, nothing beside them. */
  readonly prompt?: JsonObject;
}

const HOLDERS = ["prompt", "workflow", "output", "extra_pnginfo", "extra_data"];
const DEPTH = 4;

/** The workflow in a JSON value, whatever lies around it. */
export function opened(value: unknown, depth = DEPTH): Enveloped {
  if (isEditorFile(value)) return { document: value };
  if (!isObject(value) || !depth) return {};
  if (!isApiFile(value)) return enclosed(value, depth);
  const entries = Object.entries(value);
  const prompt = Object.fromEntries(entries.filter(([, one]) => isNode(one)));
  const beside = Object.fromEntries(entries.filter(([, one]) => !isNode(one)));
  return { prompt, document: enclosed(beside, depth).document };
}

function enclosed(body: JsonObject, depth: number): Enveloped {
  const held = HOLDERS.flatMap((name) => (name in body ? [opened(body[name], depth - 1)] : []));
  return {
    prompt: held.find((one) => one.prompt)?.prompt,
    document: held.find((one) => one.document)?.document,
  };
}

const isNode = (value: unknown) => isObject(value) && ("class_type" in value || "inputs" in value);
