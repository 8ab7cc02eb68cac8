import { type Doc, type Frame, type Graph, type GraphNode, graphsOf, type Link } from "./document";
import { writeJson } from "./json";

/*
 * About how many bytes a document takes beside one that it shares structure with: what a step of undo costs. A map
 * that changed is a new table; what is in it is shared but for what changed too.
 */

const ENTRY = 48;
const ITEM = 400;

export function bytesBeside(one: Doc, other: Doc): number {
  if (one === other) return 0;
  const others = new Map(graphsOf(other));
  let bytes = ITEM;
  for (const [id, graph] of graphsOf(one)) bytes += graphBytes(graph, others.get(id));
  if (one.extra !== other.extra) bytes += writeJson(one.extra).length;
  if (one.form !== other.form) bytes += ITEM * one.form.length;
  return bytes;
}

function graphBytes(graph: Graph, other: Graph | undefined): number {
  if (graph === other) return 0;
  return (
    tableBytes(graph.nodes, other?.nodes, nodeBytes) +
    tableBytes(graph.links, other?.links, flat<Link>) +
    tableBytes(graph.frames, other?.frames, flat<Frame>)
  );
}

function tableBytes<K, V>(
  table: ReadonlyMap<K, V>,
  other: ReadonlyMap<K, V> | undefined,
  size: (item: V, before: V | undefined) => number,
): number {
  if (table === other) return 0;
  let bytes = ENTRY * table.size;
  for (const [key, item] of table) {
    const before = other?.get(key);
    if (item !== before) bytes += size(item, before);
  }
  return bytes;
}

function nodeBytes(node: GraphNode, before: GraphNode | undefined): number {
  if (node.values === before?.values) return ITEM;
  const texts = Object.values(node.values).map((value) => (typeof value === "string" ? 2 * value.length : 8));
  return ITEM + texts.reduce((sum, one) => sum + one, 0);
}

const flat = <T>(_: T) => ITEM;
