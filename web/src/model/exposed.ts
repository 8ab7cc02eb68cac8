import { type Doc, type GraphId, type GraphNode, graphOf, graphsOf, type NodeId, withGraph } from "./document";
import { type Json, sameJson } from "./json";
import type { Catalogue } from "./schema";
import { shapeOf, widgetValue } from "./shape";

/** The node and the widget that a value of an instance is of, where it is of one inside the subgraph. */
export function innerOf(name: string): { readonly node: NodeId; readonly widget: string } | undefined {
  const [, node, widget] = /^(\d+):(.+)$/.exec(name) ?? [];
  return node === undefined || widget === undefined ? undefined : { node, widget };
}

/**
 * The values that instances have of widgets inside, put there: files repeat them on the instance. Where several
 * instances share a subgraph, each keeps those that differ.
 */
export function settleExposed(doc: Doc, catalogue: Catalogue): Doc {
  const count = new Map<GraphId, number>();
  const all = graphsOf(doc).flatMap(([at, graph]) => [...graph.nodes.values()].map((node) => ({ at, node })));
  for (const { node } of all) count.set(node.type, (count.get(node.type) ?? 0) + 1);
  return all
    .filter(({ node }) => doc.subgraphs.has(node.type) && !catalogue.has(node.type))
    .reduce((next, { at, node }) => settle(next, at, node, count.get(node.type) === 1, catalogue), doc);
}

function settle(doc: Doc, at: GraphId, instance: GraphNode, alone: boolean, catalogue: Catalogue): Doc {
  let next = doc;
  const kept: Record<string, Json> = {};
  for (const [name, value] of Object.entries(instance.values)) {
    const inner = innerOf(name);
    const target = inner && next.subgraphs.get(instance.type)?.graph.nodes.get(inner.node);
    if (!inner || !target) kept[name] = value;
    else if (sameJson(valueInside(next, instance.type, target, inner.widget, catalogue), value)) continue;
    else if (alone) next = withValue(next, instance.type, target.id, { ...target.values, [inner.widget]: value });
    else kept[name] = value;
  }
  return Object.keys(kept).length === Object.keys(instance.values).length
    ? next
    : withValue(next, at, instance.id, kept);
}

function valueInside(doc: Doc, at: GraphId, target: GraphNode, name: string, catalogue: Catalogue): Json | undefined {
  const around = { catalogue, doc, graph: graphOf(doc, at) };
  const widget = shapeOf(target, around).widgets.find((one) => one.name === name);
  return widget && widgetValue(target, widget, around);
}

function withValue(doc: Doc, at: GraphId, id: NodeId, values: GraphNode["values"]): Doc {
  const graph = graphOf(doc, at);
  const node = graph.nodes.get(id);
  return node ? withGraph(doc, at, { ...graph, nodes: new Map(graph.nodes).set(id, { ...node, values }) }) : doc;
}
