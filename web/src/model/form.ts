import { type Doc, type GraphId, type GraphNode, graphOf, type NodeId, type Pin } from "./document";
import type { Catalogue } from "./schema";
import { type Surroundings, shapeOf, titleOf, type WidgetShape } from "./shape";

/** A widget of the form with what it is part of; without `found` where it is no longer in the workflow. */
export interface PinnedWidget {
  readonly pin: Pin;
  readonly key: string;
  readonly label: string;
  readonly found?: {
    readonly at: GraphId;
    readonly node: GraphNode;
    readonly widget: WidgetShape;
    readonly around: Surroundings;
  };
}

type Locate = (doc: Doc, path: string) => { readonly at: GraphId; readonly id: NodeId } | undefined;

/** What the form shows, each under a name of its own: that of its node too where two are called the same. */
export function pinnedWidgets(doc: Doc, catalogue: Catalogue, locate: Locate): readonly PinnedWidget[] {
  const known = doc.form.map((pin) => ({ pin, ...look(doc, catalogue, locate, pin) }));
  const count = (name: string) => known.filter((one) => one.name === name).length;
  return known.map(({ pin, name, title, found }) => ({
    pin,
    key: `${pin.node} ${pin.widget}`,
    label: pin.label ?? (count(name) > 1 && title !== name ? `${title}: ${name}` : name),
    found,
  }));
}

function look(doc: Doc, catalogue: Catalogue, locate: Locate, pin: Pin) {
  const place = locate(doc, pin.node);
  const around = place && { catalogue, doc, graph: graphOf(doc, place.at) };
  const node = place && around?.graph.nodes.get(place.id);
  const shape = node && around && shapeOf(node, around);
  const widget = shape?.widgets.find((one) => one.name === pin.widget);
  if (!place || !around || !node || !shape || !widget) return { name: plain(pin.widget), title: "", found: undefined };
  const title = titleOf(node, shape);
  return {
    name: widget.name === "text" ? title : plain(widget.label),
    title,
    found: { at: place.at, node, widget, around },
  };
}

/** "sampler_name" as people write it. */
function plain(name: string): string {
  const words = name
    .replace(/_/g, " ")
    .replace(/\b(cfg|vae|clip|id)\b/gi, (short) => short.toUpperCase())
    .replace(/\blora\b/gi, "LoRA")
    .trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
