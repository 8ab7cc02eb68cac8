import type { Json, JsonObject } from "./json";

/** A node's id inside its graph: the file's number written as text. */
export type NodeId = string;
/** Which graph: "root", or the id of a subgraph definition. */
export type GraphId = string;
export const ROOT: GraphId = "root";

/** The two ends of a subgraph, seen from inside. */
export const GRAPH_INPUT: NodeId = "-10";
export const GRAPH_OUTPUT: NodeId = "-20";

export type Mode = 0 | 2 | 4;
export const RUN: Mode = 0;
export const MUTE: Mode = 2;
export const BYPASS: Mode = 4;

/** A socket as the file tells of it; what the schema knows of the node comes first where there is one. */
export interface Slot {
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  readonly widget?: string;
  readonly rest: JsonObject;
}

export interface GraphNode {
  readonly id: NodeId;
  readonly type: string;
  readonly x: number;
  readonly y: number;
  readonly width?: number;
  readonly height?: number;
  readonly title?: string;
  readonly mode: Mode;
  readonly collapsed: boolean;
  readonly color?: string;
  readonly bgcolor?: string;
  /** Widget values by name. `<name>:control` says what happens to a seed after a run. */
  readonly values: Readonly<Record<string, Json>>;
  /** The file's `widgets_values` where no schema gives them names: kept as they are. */
  readonly loose?: Json;
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
  /** Everything else that the file says of the node. */
  readonly rest: JsonObject;
}

export interface Link {
  readonly id: number;
  readonly from: NodeId;
  readonly slot: number;
  readonly to: NodeId;
  /** The input's name; at the end of a subgraph, the id of its output. */
  readonly input: string;
  readonly type: string;
  readonly rest: JsonObject;
}

/** A link that nodes of the pack "Use Everywhere" made: it holds where the input has no link of its own. */
export interface VirtualLink extends Omit<Link, "id" | "rest"> {
  /** The node that sends it, and the input by which it gets what it sends, where the file tells. */
  readonly sender?: NodeId;
  readonly senderInput?: string;
  readonly raw: JsonObject;
}

export interface Frame {
  readonly id: number;
  readonly title: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly color?: string;
  /** What it hides while it is folded to its title. */
  readonly folded?: { readonly nodes: readonly NodeId[]; readonly frames: readonly number[] };
  readonly rest: JsonObject;
}

export interface Graph {
  readonly nodes: ReadonlyMap<NodeId, GraphNode>;
  readonly links: ReadonlyMap<number, Link>;
  readonly frames: ReadonlyMap<number, Frame>;
  readonly lastNode: number;
  readonly lastLink: number;
  /** Set where the file has such a list, be it empty. */
  readonly everywhere?: readonly VirtualLink[];
}

export interface Port {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  readonly rest: JsonObject;
}

export interface Subgraph {
  readonly id: GraphId;
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly graph: Graph;
  readonly inputNode: JsonObject;
  readonly outputNode: JsonObject;
  readonly rest: JsonObject;
}

/** A widget shown in the form view: the node's path through subgraphs ("57:28") and the widget's name. */
export interface Pin {
  readonly node: string;
  readonly widget: string;
  readonly label?: string;
}

export interface Doc {
  readonly id: string;
  readonly root: Graph;
  readonly subgraphs: ReadonlyMap<GraphId, Subgraph>;
  readonly form: readonly Pin[];
  readonly extra: JsonObject;
  readonly rest: JsonObject;
}

/** The value that the document has for a widget. A name may be one that every object of the language has. */
export function heldValue(node: GraphNode, widget: string): Json | undefined {
  return Object.hasOwn(node.values, widget) ? node.values[widget] : undefined;
}

export const emptyGraph: Graph = { nodes: new Map(), links: new Map(), frames: new Map(), lastNode: 0, lastLink: 0 };

export function emptyDoc(id: string): Doc {
  return { id, root: emptyGraph, subgraphs: new Map(), form: [], extra: {}, rest: {} };
}

export function graphOf(doc: Doc, id: GraphId): Graph {
  return id === ROOT ? doc.root : (doc.subgraphs.get(id)?.graph ?? emptyGraph);
}

export function withGraph(doc: Doc, id: GraphId, graph: Graph): Doc {
  if (id === ROOT) return graph === doc.root ? doc : { ...doc, root: graph };
  const subgraph = doc.subgraphs.get(id);
  if (!subgraph || subgraph.graph === graph) return doc;
  return withSubgraph(doc, { ...subgraph, graph });
}

export function withSubgraph(doc: Doc, subgraph: Subgraph): Doc {
  return { ...doc, subgraphs: new Map(doc.subgraphs).set(subgraph.id, subgraph) };
}

/** Every graph of the document, the root first. */
export function graphsOf(doc: Doc): (readonly [GraphId, Graph])[] {
  return [[ROOT, doc.root], ...[...doc.subgraphs].map(([id, one]) => [id, one.graph] as const)];
}

interface Ends {
  readonly into: ReadonlyMap<NodeId, readonly Link[]>;
  readonly outOf: ReadonlyMap<NodeId, readonly Link[]>;
}

const none: readonly Link[] = [];
const ends = new WeakMap<ReadonlyMap<number, Link>, Ends>();

function endsOf(graph: Graph): Ends {
  const known = ends.get(graph.links);
  if (known) return known;
  const into = new Map<NodeId, Link[]>();
  const outOf = new Map<NodeId, Link[]>();
  for (const link of graph.links.values()) {
    push(into, link.to, link);
    push(outOf, link.from, link);
  }
  const made = { into, outOf };
  ends.set(graph.links, made);
  return made;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

export function linksInto(graph: Graph, node: NodeId): readonly Link[] {
  return endsOf(graph).into.get(node) ?? none;
}

export function linksOutOf(graph: Graph, node: NodeId): readonly Link[] {
  return endsOf(graph).outOf.get(node) ?? none;
}

export function linkInto(graph: Graph, node: NodeId, input: string): Link | undefined {
  return linksInto(graph, node).find((link) => link.input === input);
}

/** Whether a link from `from` into `to` would close a circle. */
export function reaches(graph: Graph, start: NodeId, goal: NodeId): boolean {
  const seen = new Set<NodeId>();
  const todo = [start];
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    if (id === goal) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    for (const link of linksOutOf(graph, id)) todo.push(link.to);
  }
  return false;
}

/** The nodes in an order in which each comes after what feeds it; ties keep the file's order. */
export function runOrder(graph: Graph): readonly NodeId[] {
  const done = new Set<NodeId>();
  const open = new Set<NodeId>();
  const order: NodeId[] = [];
  for (const root of graph.nodes.keys()) visit(root);
  return order;

  function visit(root: NodeId): void {
    const stack: { id: NodeId; next: number }[] = [{ id: root, next: 0 }];
    while (stack.length) {
      const top = stack[stack.length - 1] as { id: NodeId; next: number };
      if (top.next === 0) {
        if (done.has(top.id) || open.has(top.id)) {
          stack.pop();
          continue;
        }
        open.add(top.id);
      }
      const link = linksInto(graph, top.id)[top.next++];
      if (link) {
        if (graph.nodes.has(link.from) && !done.has(link.from) && !open.has(link.from))
          stack.push({ id: link.from, next: 0 });
        continue;
      }
      stack.pop();
      open.delete(top.id);
      done.add(top.id);
      order.push(top.id);
    }
  }
}

/** How many nodes there are with every subgraph unfolded, however deep; none may contain itself. */
export function unfoldedCount({ root, subgraphs }: Pick<Doc, "root" | "subgraphs">): number {
  const known = new Map<GraphId, number>();
  const count = (graph: Graph): number => [...graph.nodes.values()].reduce((sum, { type }) => sum + size(type), 0);
  const size = (type: GraphId): number => {
    const definition = subgraphs.get(type);
    const found = known.get(type) ?? (definition ? count(definition.graph) : 1);
    known.set(type, found);
    return found;
  };
  return count(root);
}
