import { type Doc, graphOf, linkInto } from "./document";
import { setValue, surroundings } from "./edits";
import { addInteger, clampInteger, numeric } from "./integer";
import { type Json, sameJson } from "./json";
import type { Catalogue } from "./schema";
import { controlOf, shapeOf } from "./shape";
import { isNote, PRIMITIVE } from "./virtual";

/* What becomes of seeds once a run was sent. */

const SEED_TOP = 2 ** 50;

/**
 * The document after a run was sent: every seed does what it was told to do next. A seed that is another by now than
 * the one that was `sent` is somebody's own, for the next run.
 */
export function afterRun(doc: Doc, catalogue: Catalogue, random: () => number, sent = doc): Doc {
  let next = doc;
  for (const at of ["root", ...doc.subgraphs.keys()]) {
    const around = surroundings(doc, at, catalogue);
    for (const node of around.graph.nodes.values()) {
      if (node.mode !== 0 || isNote(node.type)) continue;
      for (const widget of shapeOf(node, around).widgets) {
        const todo = controlOf(node, widget);
        if (!widget.control || widget.inner || todo === "fixed") continue;
        if (node.type !== PRIMITIVE && linkInto(around.graph, node.id, widget.name)) continue;
        const before = graphOf(sent, at).nodes.get(node.id);
        if (!sameJson(before?.values[widget.name], node.values[widget.name])) continue;
        const value = stepped(node.values[widget.name] ?? widget.default, todo, widget, random);
        next = setValue(next, at, node.id, widget.name, value);
      }
    }
  }
  return next;
}

/** A random value for a seed: never so large that other programs lose its digits. */
export function randomSeed({ min = 0, max = SEED_TOP }: Bounds, random: () => number): number {
  const low = Math.max(min, -SEED_TOP);
  return low + Math.floor(random() * (Math.min(max, SEED_TOP) - low + 1));
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

function stepped(
  value: Json,
  todo: string,
  widget: { readonly kind: string; readonly options: readonly Json[]; readonly min?: number; readonly max?: number },
  random: () => number,
): Json {
  if (widget.kind === "choice") {
    const count = widget.options.length;
    const at = Math.max(0, widget.options.indexOf(value));
    if (!count) return value;
    if (todo === "randomize") return widget.options[Math.floor(random() * count)] ?? value;
    return widget.options[Math.min(count - 1, Math.max(0, at + (todo === "increment" ? 1 : -1)))] ?? value;
  }
  if (todo === "randomize") return randomSeed(widget, random);
  return clampInteger(addInteger(numeric(value), todo === "increment" ? 1 : -1), widget.min ?? 0, widget.max);
}
