import { isList } from "./json";
import type { Prompt } from "./prompt";
import type { Catalogue, OutputSchema } from "./schema";

/* A run that goes no further than one node. Servers make only what an output node wants, so one is put behind it. */

const PEEK = "!";

/** The classes that show what comes out of a node, the best first: which type they take, and in which input. */
const SHOWING = [
  { type: "IMAGE", by: "PreviewImage", input: "images" },
  { type: "*", by: "PreviewAny", input: "source" },
] as const;

export interface UpTo {
  readonly prompt: Prompt;
  /** The output node that is wanted. */
  readonly target: string;
}

/** The part of the prompt that the node needs, with something behind it that shows what it gives. */
export function upTo(prompt: Prompt, id: string, catalogue: Catalogue): UpTo | undefined {
  const needed = ancestors(prompt, id);
  if (!needed.has(id)) return undefined;
  const part = Object.fromEntries(Object.entries(prompt).filter(([one]) => needed.has(one)));
  const schema = catalogue.get(prompt[id]?.class_type ?? "");
  if (schema?.terminal) return { prompt: part, target: id };
  const shown = schema && showingOf(schema.outputs, catalogue);
  if (!shown) return undefined;
  const target = id + PEEK;
  const peek = { class_type: shown.by, inputs: { [shown.input]: [id, shown.slot] }, _meta: { title: "Run to here" } };
  return { prompt: { ...part, [target]: peek }, target };
}

/** Whether a run can end at a node of these outputs. */
export const canEndAt = (outputs: readonly OutputSchema[], terminal: boolean, catalogue: Catalogue): boolean =>
  terminal || showingOf(outputs, catalogue) !== undefined;

function showingOf(outputs: readonly OutputSchema[], catalogue: Catalogue) {
  for (const { type, by, input } of SHOWING) {
    const slot = outputs.findIndex((one) => type === "*" || one.type === type);
    if (slot >= 0 && catalogue.has(by)) return { by, input, slot };
  }
  return undefined;
}

/** The node in which a result is shown. */
export const shownIn = (id: string) => (id.endsWith(PEEK) ? id.slice(0, -PEEK.length) : id);

function ancestors(prompt: Prompt, id: string): ReadonlySet<string> {
  const found = new Set<string>();
  const todo = [id];
  for (let one = todo.pop(); one !== undefined; one = todo.pop()) {
    const node = prompt[one];
    if (!node || found.has(one)) continue;
    found.add(one);
    for (const value of Object.values(node.inputs))
      if (isList(value) && typeof value[0] === "string") todo.push(value[0]);
  }
  return found;
}
