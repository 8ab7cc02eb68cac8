import {
  type Doc,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphNode,
  type Link,
  linkInto,
  linksInto,
  type NodeId,
  type Subgraph,
  type VirtualLink,
} from "./document";
import { asNumber, isList, isObject, type Json, type JsonObject } from "./json";

/*
 * The pack "Use Everywhere" feeds every fitting input without a link. Which those are is worked out by its own script,
 * which leaves them in each graph's `extra.ue_links`; there they are taken for links, in the server as here.
 */

/** The links that a graph's `extra` lists, or nothing where it has no list. */
export function readEverywhere(
  extra: Json | undefined,
  nodes: ReadonlyMap<NodeId, GraphNode>,
  links: Iterable<Link>,
): readonly VirtualLink[] | undefined {
  const listed = isObject(extra) ? extra.ue_links : undefined;
  if (!isList(listed)) return undefined;
  const all = [...links];
  return listed.flatMap((raw) => (isObject(raw) ? (readLink(raw, nodes, all) ?? []) : []));
}

function readLink(
  raw: JsonObject,
  nodes: ReadonlyMap<NodeId, GraphNode>,
  links: readonly Link[],
): VirtualLink | undefined {
  const { upstream, upstream_slot: slot, downstream, downstream_slot: place } = raw;
  if (!isId(upstream) || !isId(downstream) || !Number.isInteger(slot) || !Number.isInteger(place)) return undefined;
  const [from, to] = [String(upstream), String(downstream)];
  const input = to === GRAPH_OUTPUT ? String(place) : nodes.get(to)?.inputs[asNumber(place)]?.name;
  if (input === undefined || !(nodes.has(from) || from === GRAPH_INPUT)) return undefined;
  const type = typeof raw.type === "string" && raw.type ? raw.type : "*";
  const sender = isId(raw.controller) ? String(raw.controller) : undefined;
  const known = sender !== undefined && nodes.has(sender) ? { sender } : {};
  const fed = links.find((link) => link.to === sender && link.from === from && link.slot === slot);
  return { raw, from, slot: asNumber(slot), to, input, type, ...known, ...(fed ? { senderInput: fed.input } : {}) };
}

const isId = (value: Json | undefined): value is string | number =>
  typeof value === "string" || Number.isInteger(value);

/** Where the link comes from now: the sender may have been given something else, or nothing. */
function sourceNow(graph: Graph, link: VirtualLink): { readonly from: NodeId; readonly slot: number } | undefined {
  if (link.sender !== undefined && !graph.nodes.has(link.sender)) return undefined;
  if (link.sender === undefined || link.senderInput === undefined) return link;
  return linkInto(graph, link.sender, link.senderInput);
}

/** The links of the list whose ends are there, as they are now. */
function present(graph: Graph): readonly VirtualLink[] {
  return (graph.everywhere ?? []).flatMap((link) => {
    const source = sourceNow(graph, link);
    const isThere = (id: NodeId) => graph.nodes.has(id) || id === GRAPH_INPUT || id === GRAPH_OUTPUT;
    if (!source || !isThere(source.from) || !isThere(link.to)) return [];
    return [{ ...link, from: source.from, slot: source.slot }];
  });
}

const nobody: ReadonlyMap<NodeId, readonly VirtualLink[]> = new Map();
const fed = new WeakMap<Graph, ReadonlyMap<NodeId, readonly VirtualLink[]>>();

/** The links that hold, by the nodes that they feed: those of inputs without a link of their own. */
export function fedIn(graph: Graph): ReadonlyMap<NodeId, readonly VirtualLink[]> {
  if (!graph.everywhere?.length) return nobody;
  const known = fed.get(graph);
  if (known) return known;
  const found = new Map<NodeId, VirtualLink[]>();
  for (const link of present(graph)) {
    const same = found.get(link.to) ?? [];
    if (linkInto(graph, link.to, link.input) || same.some((one) => one.input === link.input)) continue;
    found.set(link.to, [...same, link]);
  }
  fed.set(graph, found);
  return found;
}

/** The inputs of a node that anything feeds, by its own links or from everywhere. */
export function fedNames(graph: Graph, id: NodeId): readonly string[] {
  const own = linksInto(graph, id).map((link) => link.input);
  const more = fedIn(graph).get(id);
  return more ? [...own, ...more.map((link) => link.input)] : own;
}

/** What feeds an input: its own link, or one from everywhere. */
export function feeding(graph: Graph, id: NodeId, input: string): Pick<Link, "from" | "slot"> | undefined {
  return (
    linkInto(graph, id, input) ??
    fedIn(graph)
      .get(id)
      ?.find((link) => link.input === input)
  );
}

/** The graph with links in the place of those from everywhere that hold and pass the test. */
export function madeReal(graph: Graph, test: (link: VirtualLink) => boolean = () => true): Graph {
  const wanted = [...fedIn(graph).values()].flat().filter(test);
  if (!wanted.length) return graph;
  const made = wanted.map(({ from, slot, to, input, type }, i): Link => {
    return { id: graph.lastLink + 1 + i, from, slot, to, input, type, rest: {} };
  });
  const links = new Map([...graph.links, ...made.map((link) => [link.id, link] as const)]);
  return { ...graph, links, lastLink: graph.lastLink + made.length };
}

/** The document with every link from everywhere made a link: what is sent. */
export function allReal(doc: Doc): Doc {
  const graphs = [doc.root, ...[...doc.subgraphs.values()].map((one) => one.graph)];
  if (!graphs.some((graph) => graph.everywhere?.length)) return doc;
  const subgraphs = [...doc.subgraphs].map(([id, one]): [string, Subgraph] => [
    id,
    { ...one, graph: madeReal(one.graph) },
  ]);
  return { ...doc, root: madeReal(doc.root), subgraphs: new Map(subgraphs) };
}

/** A graph's list without what leads to or from other nodes; a sender that is not among them is no more followed. */
export function everywhereAmong(graph: Graph, ids: (id: NodeId) => boolean): Pick<Graph, "everywhere"> {
  if (!graph.everywhere) return {};
  const kept = present(graph).filter((link) => ids(link.from) && ids(link.to));
  const everywhere = kept.map(({ sender, senderInput, ...link }) =>
    sender === undefined || !ids(sender) ? link : { ...link, sender, ...(senderInput ? { senderInput } : {}) },
  );
  return { everywhere };
}

/** The list as it is written, with the places that the inputs have now. */
export function writeEverywhere(
  graph: Graph,
  place: (link: VirtualLink) => number,
): { readonly ue_links?: readonly JsonObject[] } {
  if (!graph.everywhere) return {};
  const ue_links = present(graph).flatMap((link) => {
    const slot = place(link);
    if (slot < 0) return [];
    const { raw, from } = link;
    const upstream =
      String(raw.upstream) === from ? raw.upstream : typeof raw.upstream === "number" ? Number(from) : from;
    return [{ ...raw, upstream: upstream ?? from, upstream_slot: link.slot, downstream_slot: slot }];
  });
  return { ue_links };
}
