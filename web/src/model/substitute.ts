import { type Doc, type GraphId, type GraphNode, graphOf, linksInto, linksOutOf, type NodeId } from "./document";
import { connect, disconnect, editNode, surroundings } from "./edits";
import { isList, type Json } from "./json";
import type { Catalogue, NodeSchema, WidgetSchema } from "./schema";
import { shapeOf } from "./shape";
import { fits } from "./types";
import { valuesBySlots } from "./widgetList";

/** Sockets alone say little: most nodes take a picture and give one. So the names must be alike too. */
const LEAST_ALIKE = 0.45;

/** Known classes that could stand in for a node that is not known here, the likest first; none where none is like it. */
export function substitutes(node: GraphNode, catalogue: Catalogue, limit = 3): readonly NodeSchema[] {
  const pairs = pairsOf(node.type);
  return [...catalogue.values()]
    .filter((one) => !one.deprecated)
    .map((schema) => ({ schema, alike: likeness(pairs, pairsOf(schema.type)) }))
    .filter((one) => one.alike >= LEAST_ALIKE)
    .map((one) => ({ ...one, score: 2 * one.alike + sockets(node, one.schema) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map((one) => one.schema);
}

/** The pairs of neighbouring letters: what names have in common however their words are put together. */
function pairsOf(name: string): ReadonlySet<string> {
  const letters = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return new Set([...letters].slice(1).map((letter, i) => letters[i] + letter));
}

function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const shared = [...a].filter((pair) => b.has(pair)).length;
  return (2 * shared) / Math.max(1, a.size + b.size);
}

/** How many of the node's sockets would find one of their type. */
function sockets(node: GraphNode, schema: NodeSchema): number {
  const wanted = [
    ...node.inputs
      .filter((slot) => !slot.widget)
      .map((slot) => schema.sockets.some((one) => fits(slot.type, one.type))),
    ...node.outputs.map((slot) => schema.outputs.some((one) => fits(one.type, slot.type))),
  ];
  return wanted.length ? wanted.filter(Boolean).length / wanted.length : 0;
}

/** Makes a node one of another class: links go to sockets of the same name, or the first of their type that is free. */
export function substitute(doc: Doc, at: GraphId, id: NodeId, type: string, catalogue: Catalogue): Doc {
  const schema = catalogue.get(type);
  const before = graphOf(doc, at).nodes.get(id);
  if (!schema || !before) return doc;
  const into = linksInto(graphOf(doc, at), id);
  const outOf = linksOutOf(graphOf(doc, at), id);
  const bare = disconnect(
    doc,
    at,
    [...into, ...outOf].map((link) => link.id),
  );
  let next = editNode(bare, at, id, ({ loose: _, ...node }) => ({
    ...node,
    type,
    inputs: [],
    outputs: [],
    values: keptValues(before, schema),
    title: node.title === before.type ? undefined : node.title,
    rest: { ...node.rest, properties: { "Node name for S&R": type } },
  }));
  const taken = new Set<string>();
  for (const link of into) {
    const around = surroundings(next, at, catalogue);
    const node = around.graph.nodes.get(id) as GraphNode;
    const free = shapeOf(node, around).inputs.filter((one) => !taken.has(one.name) && fits(link.type, one.type));
    const input = free.find((one) => one.name === link.input) ?? free.find((one) => !one.widget);
    if (!input) continue;
    taken.add(input.name);
    next = connect(next, at, { ...link, input: input.name });
  }
  for (const link of outOf) {
    const name = before.outputs[link.slot]?.name;
    const fit = schema.outputs.map((one) => fits(one.type, link.type));
    const named = schema.outputs.findIndex((one, i) => fit[i] && one.name === name);
    const slot = named >= 0 ? named : fit[link.slot] ? link.slot : fit.indexOf(true);
    if (slot >= 0) next = connect(next, at, { ...link, slot });
  }
  return next;
}

/** The values that the other class has a widget for, by the names that the file gives them. */
function keptValues(node: GraphNode, schema: NodeSchema): Readonly<Record<string, Json>> {
  const named = { ...valuesBySlots(node), ...node.values };
  const kept = schema.widgets.flatMap((widget) => {
    const value = named[widget.name];
    const control = named[`${widget.name}:control`];
    if (value === undefined || !suits(widget, value)) return [];
    return [[widget.name, value] as const, ...(control ? [[`${widget.name}:control`, control] as const] : [])];
  });
  return Object.fromEntries(kept);
}

function suits(widget: WidgetSchema, value: Json): boolean {
  if (widget.kind === "rows") return isList(value);
  if (widget.kind === "choice") return typeof value === "string" || widget.options.includes(value);
  if (widget.kind === "toggle") return typeof value === "boolean";
  if (widget.kind === "text") return typeof value === "string";
  return typeof value === "number" || typeof value === "bigint";
}
