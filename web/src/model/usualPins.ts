import { type Doc, linkInto, type Pin } from "./document";
import type { Catalogue } from "./schema";
import { shapeOf, type WidgetShape } from "./shape";

const MOST = 12;

/** What most people would set in a workflow: its pictures and words, and of what draws the seed, steps and size. */
export function usualPins(doc: Doc, catalogue: Catalogue): readonly Pin[] {
  const graph = doc.root;
  const found = [...graph.nodes.values()].flatMap((node) =>
    shapeOf(node, { catalogue, doc, graph })
      .widgets.filter((widget) => !linkInto(graph, node.id, widget.name))
      .flatMap((widget) => {
        const rank = rankOf(widget);
        return rank === undefined ? [] : [{ rank, pin: { node: node.id, widget: widget.name } }];
      }),
  );
  return found
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MOST)
    .map((one) => one.pin);
}

/** The document with a form, so that it is a page as well as a graph. */
export function withUsualForm(doc: Doc, catalogue: Catalogue): Doc {
  return doc.form.length ? doc : { ...doc, form: usualPins(doc, catalogue) };
}

const SETTINGS = ["seed", "noise_seed", "steps", "width", "height", "denoise"];

function rankOf(widget: WidgetShape): number | undefined {
  if (widget.upload) return 0;
  if (widget.kind === "text" && widget.dynamicPrompts) return 1;
  const place = SETTINGS.indexOf(widget.name);
  return place < 0 ? undefined : 2 + place;
}
