import { uses } from "./clip";
import {
  type Doc,
  emptyDoc,
  emptyGraph,
  type Graph,
  type GraphId,
  graphOf,
  graphsOf,
  type NodeId,
  withGraph,
  withSubgraph,
} from "./document";
import { type JsonObject, writeJson } from "./json";
import { saveEditorFile } from "./saveFile";
import type { Catalogue } from "./schema";

/* Subgraphs as a whole: their names, copies and uses. */

/** Definitions that no node uses any more are left out. */
export function dropUnused(doc: Doc): Doc {
  const used = [...doc.subgraphs.values()].filter((one) =>
    [...doc.root.nodes.values()].some((node) => uses(doc, node.type, one.id)),
  );
  return used.length === doc.subgraphs.size ? doc : { ...doc, subgraphs: new Map(used.map((one) => [one.id, one])) };
}

/** Calls a subgraph something else, on all of its nodes. */
export function renameSubgraph(doc: Doc, id: GraphId, name: string): Doc {
  const definition = doc.subgraphs.get(id);
  const text = name.trim();
  return definition && text && text !== definition.name ? withSubgraph(doc, { ...definition, name: text }) : doc;
}

/** Gives a node a subgraph of its own, so that changes to it leave the other nodes of the subgraph as they are. */
export function separate(doc: Doc, at: GraphId, node: NodeId, id: GraphId): Doc {
  const graph = graphOf(doc, at);
  const instance = graph.nodes.get(node);
  const definition = instance && doc.subgraphs.get(instance.type);
  if (!instance || !definition || instancesOf(doc, definition.id) < 2) return doc;
  const copied = withSubgraph(doc, { ...definition, id, name: `${definition.name} (own)` });
  return withGraph(copied, at, { ...graph, nodes: new Map(graph.nodes).set(node, { ...instance, type: id }) });
}

/** How many nodes of the document are of a subgraph. */
export function instancesOf(doc: Doc, id: GraphId): number {
  return graphsOf(doc).reduce(
    (sum, [, graph]) => sum + [...graph.nodes.values()].filter((node) => node.type === id).length,
    0,
  );
}

/** The document with other ids for some of its subgraphs: what is pasted beside others of the same id. */
export function withNewIds(doc: Doc, ids: ReadonlyMap<GraphId, GraphId>): Doc {
  const renamed = (graph: Graph): Graph => ({
    ...graph,
    nodes: new Map([...graph.nodes].map(([id, node]) => [id, { ...node, type: ids.get(node.type) ?? node.type }])),
  });
  const subgraphs = [...doc.subgraphs.values()].map((one) => ({
    ...one,
    id: ids.get(one.id) ?? one.id,
    graph: renamed(one.graph),
  }));
  return { ...doc, root: renamed(doc.root), subgraphs: new Map(subgraphs.map((one) => [one.id, one])) };
}

/** The part's subgraphs that are not what the document has under the same id, as after a change in another window. */
export function clashing(part: Doc, doc: Doc, catalogue: Catalogue): readonly GraphId[] {
  const shared = [...part.subgraphs.keys()].filter((id) => doc.subgraphs.has(id));
  if (!shared.length) return [];
  const [theirs, ours] = [written(part, catalogue), written(doc, catalogue)];
  return shared.filter((id) => theirs.get(id) !== ours.get(id));
}

function written(doc: Doc, catalogue: Catalogue): ReadonlyMap<string, string> {
  const definitions = saveEditorFile(doc, catalogue).definitions as unknown as {
    readonly subgraphs: readonly JsonObject[];
  };
  return new Map(definitions.subgraphs.map((one) => [String(one.id), writeJson(one)]));
}

/** A document with one node of a subgraph and nothing else: what is published of it. */
export function alone(doc: Doc, at: GraphId, node: NodeId, id: string): Doc | undefined {
  const instance = graphOf(doc, at).nodes.get(node);
  if (!instance || !doc.subgraphs.has(instance.type)) return undefined;
  const own = { ...instance, id: "1", x: 0, y: 0 };
  const root: Graph = { ...emptyGraph, nodes: new Map([["1", own]]), lastNode: 1 };
  return dropUnused({ ...emptyDoc(id), root, subgraphs: doc.subgraphs });
}
