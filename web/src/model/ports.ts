import {
  type Doc,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphId,
  type GraphNode,
  graphsOf,
  type Link,
  type NodeId,
  type Port,
  withGraph,
  withSubgraph,
} from "./document";
import { connect, editNode, surroundings } from "./edits";
import { isObject, type Json, type JsonObject, without } from "./json";
import type { Catalogue } from "./schema";
import { proxyEntries, shapeOf } from "./shape";

/* The sockets of a subgraph, and the widgets that its instances show. */

export type PortSide = "in" | "out";

const portsOf = (doc: Doc, graph: GraphId, side: PortSide): readonly Port[] => {
  const definition = doc.subgraphs.get(graph);
  return (side === "in" ? definition?.inputs : definition?.outputs) ?? [];
};

function withPorts(doc: Doc, graph: GraphId, side: PortSide, ports: readonly Port[]): Doc {
  const definition = doc.subgraphs.get(graph);
  if (!definition) return doc;
  return withSubgraph(doc, side === "in" ? { ...definition, inputs: ports } : { ...definition, outputs: ports });
}

/** A name like the wanted one that none of the ports has. */
export function freeName(wanted: string, ports: readonly Port[]): string {
  let free = wanted;
  for (let i = 1; ports.some((one) => one.name === free); i++) free = `${wanted}_${i}`;
  return free;
}

export interface Inner {
  readonly node: NodeId;
  readonly input?: string;
  readonly slot?: number;
  readonly type: string;
  readonly name: string;
}

/** Gives a subgraph one more socket, linked to the given inner one. */
export function addPort(doc: Doc, graph: GraphId, side: PortSide, inner: Inner, id: string): Doc {
  const ports = portsOf(doc, graph, side);
  const made = { id, name: freeName(inner.name, ports), type: inner.type, rest: {} };
  const grown = withPorts(doc, graph, side, [...ports, made]);
  const { node, type, input = "", slot = 0 } = inner;
  return side === "in"
    ? connect(grown, graph, { from: GRAPH_INPUT, slot: ports.length, to: node, input, type })
    : connect(grown, graph, { from: node, slot, to: GRAPH_OUTPUT, input: id, type });
}

/** Calls a socket something else. Its name, by which instances are linked, stays what it was. */
export function renamePort(doc: Doc, graph: GraphId, side: PortSide, id: string, label: string): Doc {
  const text = label.trim();
  const ports = portsOf(doc, graph, side).map((port) => {
    if (port.id !== id) return port;
    const { label: _, ...bare } = port;
    return text && text !== port.name ? { ...bare, label: text } : bare;
  });
  return withPorts(doc, graph, side, ports);
}

/** Takes a socket away: with its links inside, and with those of every instance. */
export function removePort(doc: Doc, graph: GraphId, side: PortSide, id: string): Doc {
  const ports = portsOf(doc, graph, side);
  const at = ports.findIndex((port) => port.id === id);
  const port = ports[at];
  const inside = doc.subgraphs.get(graph)?.graph;
  if (!port || !inside) return doc;
  const left = ports.filter((one) => one !== port);
  const inner = side === "in" ? closeSlot(inside, new Set([GRAPH_INPUT]), at) : dropInto(inside, GRAPH_OUTPUT, id);
  const shrunk = withGraph(withPorts(doc, graph, side, left), graph, inner);
  return graphsOf(shrunk).reduce((next, [where, one]) => {
    const instances = [...one.nodes.values()].filter((node) => node.type === graph).map((node) => node.id);
    if (!instances.length) return next;
    if (side === "out") return withGraph(next, where, closeSlot(one, new Set(instances), at));
    const unlinked = instances.reduce((graph, node) => dropInto(graph, node, port.name), one);
    return instances.reduce(
      (after, node) => editNode(after, where, node, (instance) => withoutInput(instance, port.name)),
      withGraph(next, where, unlinked),
    );
  }, shrunk);
}

/** Drops the links out of a slot, and moves those of the later slots up. */
function closeSlot(graph: Graph, from: ReadonlySet<NodeId>, slot: number): Graph {
  return withLinks(graph, (link) => {
    if (!from.has(link.from) || link.slot < slot) return link;
    return link.slot === slot ? undefined : { ...link, slot: link.slot - 1 };
  });
}

const dropInto = (graph: Graph, to: NodeId, input: string): Graph =>
  withLinks(graph, (link) => (link.to === to && link.input === input ? undefined : link));

function withLinks(graph: Graph, change: (link: Link) => Link | undefined): Graph {
  const links = [...graph.links.values()].flatMap((link) => change(link) ?? []);
  return { ...graph, links: new Map(links.map((link) => [link.id, link])) };
}

function withoutInput(node: GraphNode, name: string): GraphNode {
  const values = Object.entries(node.values).filter(([key]) => key !== name && key !== `${name}:control`);
  const bare = {
    ...node,
    values: Object.fromEntries(values),
    inputs: node.inputs.filter((slot) => slot.name !== name),
  };
  const entries = proxyEntries(node);
  return entries
    ? withEntries(
        bare,
        entries.filter(([id, widget]) => !(id === "-1" && widget === name)),
      )
    : bare;
}

function withEntries(node: GraphNode, entries: readonly (readonly [string, string])[]): GraphNode {
  const properties: JsonObject = isObject(node.rest.properties) ? node.rest.properties : {};
  const proxyWidgets: Json = entries.map(([id, widget]) => [id, widget]);
  return { ...node, rest: { ...node.rest, properties: { ...properties, proxyWidgets } } };
}

export function isExposed(instance: GraphNode, inner: NodeId, widget: string): boolean {
  return proxyEntries(instance)?.some(([id, name]) => id === inner && name === widget) ?? false;
}

/** Shows an inner widget on the subgraph's instance, or hides it again. */
export function toggleExposed(
  doc: Doc,
  at: GraphId,
  instance: NodeId,
  exposed: { readonly node: NodeId; readonly widget: string },
  catalogue: Catalogue,
): Doc {
  const around = surroundings(doc, at, catalogue);
  return editNode(doc, at, instance, (node) => {
    // The list is the whole order of the widgets: those of sockets must be in it once there is one.
    const own = shapeOf(node, around).widgets.filter((one) => !one.inner);
    const known = proxyEntries(node) ?? [];
    const entries = [
      ...known,
      ...own
        .filter((one) => !known.some(([id, name]) => id === "-1" && name === one.name))
        .map((one) => ["-1", one.name] as const),
    ];
    const left = entries.filter(([id, name]) => !(id === exposed.node && name === exposed.widget));
    if (left.length === entries.length) return withEntries(node, [...entries, [exposed.node, exposed.widget]]);
    return withEntries({ ...node, values: without(node.values, [`${exposed.node}:${exposed.widget}`]) }, left);
  });
}
