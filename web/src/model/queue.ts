import { asNumber, asText, isList, isObject, type JsonObject } from "./json";
import type { Prompt } from "./prompt";

/* What a list of jobs says of each: its name, how it ended, what it took. */

const NAME_LENGTH = 60;

/** What a job is called: its workflow's title, else the file it makes, else its words, else its last node. */
export function jobName(prompt: Prompt, extra: JsonObject): string {
  const title = asText(extra.title) || titleOfWorkflow(extra);
  if (title) return title;
  const nodes = Object.values(prompt);
  const prefix = nodes.map((node) => asText(node.inputs.filename_prefix)).find(Boolean);
  if (prefix) return prefix;
  const words = nodes.map((node) => asText(node.inputs.text).trim()).find(Boolean);
  if (words) return words.length > NAME_LENGTH ? `${words.slice(0, NAME_LENGTH - 1)}…` : words;
  const last = nodes[nodes.length - 1];
  return last?._meta?.title || last?.class_type || "Without nodes";
}

/** What tells a job from others of its workflow: its seed and its words. */
export function jobDetail(prompt: Prompt): string {
  const inputs = Object.values(prompt).map((node) => node.inputs);
  const seed = inputs
    .flatMap((one) => [one.seed, one.noise_seed])
    .find((one) => typeof one === "number" || typeof one === "bigint");
  const words = inputs.map((one) => asText(one.text).trim()).find(Boolean);
  return [seed === undefined ? "" : `seed ${seed}`, words].filter(Boolean).join(" · ");
}

function titleOfWorkflow(extra: JsonObject): string {
  const info = isObject(extra.extra_pnginfo) ? extra.extra_pnginfo : {};
  const workflow = isObject(info.workflow) ? info.workflow : {};
  const more = isObject(workflow.extra) ? workflow.extra : {};
  return asText(workflow.title) || asText(workflow.name) || asText(more.title);
}

export type Ending = "done" | "failed" | "cancelled";

export interface Ended {
  readonly how: Ending;
  /** How long it ran, where the server says. */
  readonly ms?: number;
  /** Why it failed, in a line, and the node that did. */
  readonly why?: string;
  readonly node?: string;
  readonly cached: number;
}

/** How a job ended, by what the history keeps of its messages. */
export function endingOf(status: {
  readonly status_str: string;
  readonly messages: readonly (readonly [string, JsonObject])[];
}): Ended {
  const said = new Map(status.messages);
  const start = asNumber(said.get("execution_start")?.timestamp);
  const last = Math.max(0, ...status.messages.map(([, data]) => asNumber(data.timestamp)));
  const cached = said.get("execution_cached")?.nodes;
  const common = { ms: start ? last - start : undefined, cached: isList(cached) ? cached.length : 0 };
  if (said.has("execution_interrupted")) return { ...common, how: "cancelled" };
  const error = said.get("execution_error");
  if (!error && status.status_str !== "error") return { ...common, how: "done" };
  const [why] = asText(error?.exception_message, "It failed.").trim().split("\n");
  return { ...common, how: "failed", why, node: asText(error?.node_id) || undefined };
}

/** What a job like those that ended will take: the middle one of those that ran and ended well. */
export function usualMs(ended: readonly Ended[]): number | undefined {
  const took = ended
    .flatMap(({ how, ms }) => (how === "done" && ms !== undefined && ms > 0 ? [ms] : []))
    .slice(0, 9)
    .sort((a, b) => a - b);
  return took[Math.floor(took.length / 2)];
}

/** The list with what is at one place moved to another. */
export function reordered<T>(list: readonly T[], from: number, to: number): readonly T[] {
  const rest = list.filter((_, i) => i !== from);
  return from in list ? [...rest.slice(0, to), list[from] as T, ...rest.slice(to)] : list;
}

/** How far a run is, by what it told: the nodes that it took from the cache or began, among all. */
export function toldProgress(told: readonly { readonly type: string; readonly data: JsonObject }[], nodes: number) {
  const begun = new Set<string>();
  let cached = 0;
  let since = 0;
  for (const { type, data } of told) {
    if (type === "execution_start") {
      begun.clear();
      cached = 0;
      since = asNumber(data.timestamp);
    } else if (type === "execution_cached") cached = isList(data.nodes) ? data.nodes.length : 0;
    else if (type === "executing" && data.node !== null) begun.add(asText(data.display_node) || asText(data.node));
  }
  const done = cached + Math.max(0, begun.size - 1);
  return { progress: nodes ? Math.min(1, done / nodes) : 0, since: since || undefined };
}
