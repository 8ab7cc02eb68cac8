import { type Clip, paste, withoutDots } from "./clip";
import {
  type Doc,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphId,
  type GraphNode,
  graphOf,
  type Link,
  linkInto,
  linksInto,
  linksOutOf,
  type NodeId,
  type Port,
  type Subgraph,
  withGraph,
  withSubgraph,
} from "./document";
import { bounds, boxOf, connect, newNode, nextId, type Point, removeNodes, surroundings } from "./edits";
import { everywhereAmong, madeReal } from "./everywhere";
import { asNumber, isList, type JsonObject } from "./json";
import { HEADER } from "./layout";
import { leadThrough, rawDotsOn } from "./leading";
import { movePins } from "./pins";
import type { Catalogue } from "./schema";
import { dropUnused } from "./subgraphs";

/* Making a subgraph of nodes, and nodes of a subgraph. */

type Way = readonly JsonObject[];

/** Makes the nodes the inside of a new subgraph, with a socket for each link that crosses its border. */
export function wrapInSubgraph(
  doc: Doc,
  at: GraphId,
  ids: ReadonlySet<NodeId>,
  given: {
    readonly id: GraphId;
    readonly name: string;
    readonly catalogue: Catalogue;
    readonly portId: () => string;
    /** The frames that go in with the nodes. */
    readonly frames?: ReadonlySet<number>;
  },
): readonly [Doc, NodeId | undefined] {
  const graph = madeReal(graphOf(doc, at), (link) => ids.has(link.from) !== ids.has(link.to));
  const around = { ...surroundings(doc, at, given.catalogue), graph };
  const inside = [...graph.nodes.values()].filter((node) => ids.has(node.id));
  const box = bounds(inside.map((node) => boxOf(node, around)));
  if (!box) return [doc, undefined];
  const all = [...graph.links.values()];
  const incoming = all.filter((link) => ids.has(link.to) && !ids.has(link.from));
  const outgoing = all.filter((link) => ids.has(link.from) && !ids.has(link.to));
  const sources = distinct(incoming, (link) => `${link.from} ${link.slot}`);
  const drains = distinct(outgoing, (link) => `${link.from} ${link.slot}`);
  const taken = new Set<string>();
  const inputs = sources.map((link) =>
    port(unused(link.input || link.type.toLowerCase(), taken), link.type, given.portId()),
  );
  const outs = new Set<string>();
  const outputs = drains.map((link) => port(unused(link.type, outs), link.type, given.portId()));
  let lastLink = graph.lastLink;
  const links = new Map(
    all.filter((link) => ids.has(link.from) && ids.has(link.to)).map((link) => [link.id, withoutDots(link)]),
  );
  const put = (link: Omit<Link, "id" | "rest">) => links.set(++lastLink, { ...link, id: lastLink, rest: {} });
  for (const link of incoming) {
    const slot = sources.findIndex((one) => one.from === link.from && one.slot === link.slot);
    put({ from: GRAPH_INPUT, slot, to: link.to, input: link.input, type: link.type });
  }
  for (const [i, link] of drains.entries())
    put({ from: link.from, slot: link.slot, to: GRAPH_OUTPUT, input: (outputs[i] as Port).id, type: link.type });
  const definition: Subgraph = {
    id: given.id,
    name: given.name,
    inputs,
    outputs,
    graph: {
      nodes: new Map(inside.map((node) => [node.id, node])),
      links,
      frames: framesOf(graph, (frame) => given.frames?.has(frame) ?? false),
      lastNode: graph.lastNode,
      lastLink,
      ...everywhereAmong(graph, (node) => ids.has(node)),
    },
    inputNode: { bounding: [box.x - 220, box.y, 120, 40 + 20 * inputs.length] },
    outputNode: { bounding: [box.x + box.width + 100, box.y, 120, 40 + 20 * outputs.length] },
    rest: { revision: 0, config: {}, widgets: [], extra: {} },
  };
  const id = nextId(graph);
  const node = newNode(given.id, id, { x: Math.round(box.x), y: Math.round(box.y + HEADER) });
  const nodes = new Map([...graph.nodes].filter(([one]) => !ids.has(one))).set(id, node);
  const kept = new Map(all.filter((link) => !ids.has(link.from) && !ids.has(link.to)).map((link) => [link.id, link]));
  const frames = given.frames?.size ? framesOf(graph, (frame) => !given.frames?.has(frame)) : graph.frames;
  const rest = everywhereAmong(graph, (node) => !ids.has(node));
  const outer: Graph = { ...graph, nodes, links: kept, frames, lastNode: graph.lastNode + 1, lastLink, ...rest };
  const pinned = movePins(doc, at, (one) => (ids.has(one) ? [id, one] : [one]));
  let next = withGraph(withSubgraph(pinned, definition), at, outer);
  sources.forEach((link, i) => {
    next = connect(next, at, {
      from: link.from,
      slot: link.slot,
      to: id,
      input: (inputs[i] as Port).name,
      type: link.type,
    });
  });
  for (const link of outgoing) {
    const slot = drains.findIndex((one) => one.from === link.from && one.slot === link.slot);
    next = connect(next, at, { from: id, slot, to: link.to, input: link.input, type: link.type });
  }
  const now = graphOf(next, at);
  const wayOf = (link: Link) => rawDotsOn(doc, at, link);
  const shared = sources.map((source) =>
    sharedStart(incoming.filter((link) => link.from === source.from && link.slot === source.slot).map(wayOf)),
  );
  const outside = new Map([
    ...sources.flatMap((_, i) => wayInto(now, id, (inputs[i] as Port).name, shared[i] ?? [])),
    ...outgoing.flatMap((link) => wayInto(now, link.to, link.input, wayOf(link))),
  ]);
  const within = new Map(
    all.flatMap((link) => {
      if (!ids.has(link.to)) return [];
      const source = sources.findIndex((one) => one.from === link.from && one.slot === link.slot);
      const way = ids.has(link.from) ? wayOf(link) : wayOf(link).slice(shared[source]?.length ?? 0);
      return wayInto(definition.graph, link.to, link.input, way);
    }),
  );
  return [leadThrough(leadThrough(next, at, outside), given.id, within), id];
}

/** The dots of a link that leads into an input now, by the link's id. */
function wayInto(graph: Graph, node: NodeId, input: string, way: Way): readonly (readonly [number, Way])[] {
  const link = linkInto(graph, node, input);
  return link && way.length ? [[link.id, way]] : [];
}

/** The dots that all ways have in common before they part. */
function sharedStart(ways: readonly Way[]): Way {
  const [first = [], ...others] = ways;
  const end = first.findIndex((dot, i) => others.some((way) => way[i] !== dot));
  return end < 0 ? first : first.slice(0, end);
}

const framesOf = (graph: Graph, wanted: (id: number) => boolean): Graph["frames"] =>
  new Map([...graph.frames].filter(([id]) => wanted(id)));

/** Puts a subgraph's nodes, and its frames, back in its place. */
export function unwrapSubgraph(
  given: Doc,
  at: GraphId,
  id: NodeId,
  catalogue: Catalogue,
): readonly [Doc, readonly NodeId[]] {
  const graph = madeReal(graphOf(given, at), (link) => link.from === id || link.to === id);
  const doc = withGraph(given, at, graph);
  const around = surroundings(doc, at, catalogue);
  const node = graph.nodes.get(id);
  const definition = node && doc.subgraphs.get(node.type);
  if (!node || !definition) return [given, []];
  const inner = madeReal(definition.graph);
  const inside = [...inner.nodes.values()];
  const box = bounds(inside.map((one) => boxOf(one, { ...around, graph: inner })));
  const shift = { x: node.x - (box?.x ?? 0), y: node.y - HEADER - (box?.y ?? 0) };
  const own = inside.map((one) => withInstanceValues(one, node, definition));
  const clip: Clip = {
    nodes: own,
    links: [...inner.links.values()],
    frames: [...inner.frames.values()],
    subgraphs: [],
  };
  const [pasted, { nodes: ids }] = paste(doc, at, clip, shift);
  const renamed = new Map(inside.map((one, i) => [one.id, ids[i] as NodeId]));
  let next = pasted;
  const ways = new Map<number, Way>();
  const lead = (to: NodeId, input: string, way: Way) => {
    for (const [link, dots] of wayInto(graphOf(next, at), to, input, way)) ways.set(link, dots);
  };
  const moved = new Map<JsonObject, JsonObject>();
  const innerWay = (link: Link) =>
    rawDotsOn(doc, definition.id, link).map((dot) => {
      const there = moved.get(dot) ?? shifted(dot, shift);
      moved.set(dot, there);
      return there;
    });
  const outerWay = (link: Link) => rawDotsOn(doc, at, link);
  for (const link of inner.links.values()) {
    const to = renamed.get(link.to);
    if (to !== undefined && renamed.has(link.from)) lead(to, link.input, innerWay(link));
    if (link.from === GRAPH_INPUT && to !== undefined) {
      const name = definition.inputs[link.slot]?.name ?? "";
      const outside = linkInto(around.graph, id, name);
      if (outside) {
        next = connect(next, at, { from: outside.from, slot: outside.slot, to, input: link.input, type: outside.type });
        lead(to, link.input, [...outerWay(outside), ...innerWay(link)]);
      }
    }
    if (link.to === GRAPH_OUTPUT && renamed.has(link.from)) {
      const slot = definition.outputs.findIndex((one) => one.id === link.input);
      for (const out of linksOutOf(around.graph, id).filter((one) => one.slot === slot)) {
        next = connect(next, at, {
          from: renamed.get(link.from) as NodeId,
          slot: link.slot,
          to: out.to,
          input: out.input,
          type: out.type,
        });
        lead(out.to, out.input, [...innerWay(link), ...outerWay(out)]);
      }
    }
  }
  const unpinned = unpackPins(leadThrough(next, at, ways), at, id, renamed);
  return [dropUnused(removeNodes(unpinned, at, [id])), ids];
}

/** A dot at its place outside. */
function shifted(dot: JsonObject, { x, y }: Point): JsonObject {
  const [left, top] = isList(dot.pos) ? dot.pos : [];
  return { ...dot, pos: [asNumber(left) + x, asNumber(top) + y] };
}

/** Pins of nodes in an instance, at the nodes that are made of them. */
function unpackPins(doc: Doc, at: GraphId, instance: NodeId, renamed: ReadonlyMap<NodeId, NodeId>): Doc {
  const kept = doc.form.map((pin) => {
    const parts = pin.node.split(":");
    const place = placeOf(doc, at, parts, instance);
    const made = place === undefined ? undefined : renamed.get(parts[place + 1] ?? "");
    return place === undefined || made === undefined
      ? pin
      : { ...pin, node: [...parts.slice(0, place), made, ...parts.slice(place + 2)].join(":") };
  });
  return kept.every((pin, i) => pin === doc.form[i]) ? doc : { ...doc, form: kept };
}

/** Where on a path the instance is. */
function placeOf(doc: Doc, at: GraphId, parts: readonly NodeId[], instance: NodeId): number | undefined {
  let graph: GraphId = "root";
  for (const [i, id] of parts.entries()) {
    if (graph === at && id === instance) return i;
    graph = graphOf(doc, graph).nodes.get(id)?.type ?? "";
  }
  return undefined;
}

function withInstanceValues(inner: GraphNode, node: GraphNode, definition: Subgraph): GraphNode {
  const values = { ...inner.values };
  for (const link of linksInto(definition.graph, inner.id)) {
    const name = link.from === GRAPH_INPUT ? definition.inputs[link.slot]?.name : undefined;
    const value = name === undefined ? undefined : node.values[name];
    if (value !== undefined) values[link.input] = value;
  }
  return { ...inner, values };
}

function port(name: string, type: string, id: string): Port {
  return { id, name, type, rest: {} };
}

function unused(name: string, taken: Set<string>): string {
  let free = name;
  for (let i = 1; taken.has(free); i++) free = `${name}_${i}`;
  taken.add(free);
  return free;
}

function distinct<T>(list: readonly T[], key: (one: T) => string): readonly T[] {
  return [...new Map(list.map((one) => [key(one), one] as const)).values()];
}
