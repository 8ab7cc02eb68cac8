import { type End, isObject, type JsonObject, text } from "./events.js";

/** The server did not do what was asked; the message says why. */
export class ClientError extends Error {
  override name = "ClientError";
}

/** Nothing answers at the address, or it stopped answering. */
export class Unreachable extends ClientError {
  override name = "Unreachable";
}

/** The job ended without its outputs; `end` says how. */
export class JobFailed extends ClientError {
  override name = "JobFailed";
  readonly end: End;

  constructor(end: Exclude<End, { type: "done" }>) {
    super(end.type === "cancelled" ? `The job ${end.job} was cancelled.` : failureSentence(end));
    this.end = end;
  }
}

/** What a server has against one input of one node; `sentence` says it to a person. */
export interface NodeProblem {
  readonly node: string;
  readonly nodeType: string;
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly sentence: string;
  readonly input: string | undefined;
}

/** The server does not run this workflow; `problems` lists what it has against its nodes. */
export class Refused extends ClientError {
  override name = "Refused";
  readonly problems: readonly NodeProblem[];

  constructor(error: unknown, nodeErrors: unknown) {
    const problems = problemsOf(nodeErrors);
    super(
      ["The server refused the workflow:", ...errorSentence(error), ...problems.map((one) => one.sentence)].join(" "),
    );
    this.problems = problems;
  }
}

/** The problems in an answer's node_errors. */
export function problemsOf(nodeErrors: unknown): readonly NodeProblem[] {
  if (!isObject(nodeErrors)) return [];
  return Object.entries(nodeErrors).flatMap(([node, entry]) => {
    if (!isObject(entry) || !Array.isArray(entry.errors)) return [];
    return entry.errors.filter(isObject).map((error) => ({
      node,
      nodeType: text(entry.class_type),
      type: text(error.type),
      message: text(error.message),
      details: text(error.details),
      sentence: text(error.sentence) || problemSentence(node, entry, error),
      input: isObject(error.extra_info) ? text(error.extra_info.input_name) || undefined : undefined,
    }));
  });
}

/** The problem in the words of a server that has no sentence for it, as ComfyUI's. */
function problemSentence(node: string, entry: JsonObject, error: JsonObject): string {
  const [message, details] = [text(error.message), text(error.details)];
  const more = details && !message.includes(details) ? ` (${details})` : "";
  return `${text(entry.class_type)} (node ${node}): ${message.replace(/\.$/, "")}${more}.`;
}

function errorSentence(error: unknown): readonly string[] {
  if (!isObject(error)) return error ? [text(error)] : [];
  const message = text(error.message).replace(/\.$/, "");
  const details = text(error.details).trim();
  return [`${message}${details && details !== message ? ` (${details})` : ""}.`];
}

function failureSentence(end: Extract<End, { type: "failed" }>): string {
  const where = end.node ? `${end.nodeType} (node ${end.node}): ` : "";
  return where + end.message.trim();
}
