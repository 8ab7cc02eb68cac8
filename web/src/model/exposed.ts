import { type Doc, type GraphId, type GraphNode, graphOf, graphsOf, type NodeId, withGraph } from "./document";
import { type Json, sameJson } from "./json";
import type { Catalogue } from "./schema";
import { shapeOf, widgetValue } from "./shape";

/*
 * Widgets of nodes inside a subgraph that its nodes show. The value lives inside; a node of the subgraph has one of its
 * own, as `<id>:<name>`, only where several nodes share the subgraph and differ.
 */

/** The node and the widget that a value of an instance is of, where it is of one inside the subgraph. */
export function innerOf(name: string): { readonly node: NodeId; readonly widget: string } | undefined {
  const [, node, widget] = /^(\d+):(.+)$/.exec(name) ?? [];
  return node === undefined || widget === undefined ? undefined : { node, widget };
}

/** Without the values of instances that only repeat those inside, as files have them. */
export function settleExposed(doc: Doc, catalogue: Catalogue): Doc {
  return instances(doc)
    .filter(({ node }) => !catalogue.has(node.type))
    .reduce((next, { at, node }) => {
      const repeated = Object.entries(node.values).filter(([name, value]) =>
        repeats(doc, node, name, value, catalogue),
      );
      return repeated.reduce((after, [name]) => without(after, at, node.id, name), next);
    }, doc);
}

const instances = (doc: Doc): readonly { readonly at: GraphId; readonly node: GraphNode }[] =>
  graphsOf(doc).flatMap(([at, graph]) =>
    [...graph.nodes.values()].filter((node) => doc.subgraphs.has(node.type)).map((node) => ({ at, node })),
  );

function repeats(doc: Doc, instance: GraphNode, name: string, value: Json, catalogue: Catalogue): boolean {
  const inner = innerOf(name);
  const around = { catalogue, doc, graph: graphOf(doc, instance.type) };
  const target = inner && around.graph.nodes.get(inner.node);
  const widget = target && shapeOf(target, around).widgets.find((one) => one.name === inner.widget);
  return target !== undefined && widget !== undefined && sameJson(widgetValue(target, widget, around), value);
}

function without(doc: Doc, at: GraphId, id: NodeId, name: string): Doc {
  const graph = graphOf(doc, at);
  const node = graph.nodes.get(id);
  if (!node || !(name in node.values)) return doc;
  const { [name]: _, ...values } = node.values;
  return withGraph(doc, at, { ...graph, nodes: new Map(graph.nodes).set(id, { ...node, values }) });
}

/** Whether the instance shares its subgraph with others. */
export function isShared(doc: Doc, subgraph: GraphId): boolean {
  return instances(doc).filter(({ node }) => node.type === subgraph).length > 1;
}

/** Lets what is inside count: the only instance keeps no value of its own of a widget that is set inside. */
export function yieldExposed(doc: Doc, subgraph: GraphId, node: NodeId, widget: string): Doc {
  const [only, ...more] = instances(doc).filter((one) => one.node.type === subgraph);
  return only && !more.length ? without(doc, only.at, only.node.id, `${node}:${widget}`) : doc;
}
