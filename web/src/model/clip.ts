import {
  type Doc,
  type Frame,
  GRAPH_INPUT,
  type Graph,
  type GraphId,
  type GraphNode,
  graphOf,
  type Link,
  type NodeId,
  type Subgraph,
  withGraph,
} from "./document";
import type { Point } from "./edits";
import { without } from "./json";
import { fits } from "./types";

/* A part of a graph that is carried elsewhere: copied, pasted, duplicated. */

export interface Clip {
  readonly nodes: readonly GraphNode[];
  /** The links into its nodes, those from nodes that it leaves behind included. */
  readonly links: readonly Link[];
  readonly frames: readonly Frame[];
  readonly subgraphs: readonly Subgraph[];
}

/** What is copied: nodes and frames by their ids. */
export interface Part {
  readonly nodes: ReadonlySet<NodeId>;
  readonly frames: ReadonlySet<number>;
}

export function copyPart(doc: Doc, at: GraphId, part: Part): Clip {
  const graph = graphOf(doc, at);
  const nodes = [...graph.nodes.values()].filter((node) => part.nodes.has(node.id));
  return {
    nodes,
    links: [...graph.links.values()].filter((link) => part.nodes.has(link.to)),
    frames: [...graph.frames.values()].filter((frame) => part.frames.has(frame.id)),
    subgraphs: [...doc.subgraphs.values()].filter((one) => nodes.some((node) => uses(doc, node.type, one.id))),
  };
}

/** Whether nodes of the type are of the subgraph, or hold such. */
export function uses(doc: Pick<Doc, "subgraphs">, type: string, wanted: GraphId): boolean {
  const seen = new Set<string>();
  const todo = [type];
  for (let one = todo.pop(); one !== undefined; one = todo.pop()) {
    if (one === wanted) return true;
    if (seen.has(one)) continue;
    seen.add(one);
    for (const node of doc.subgraphs.get(one)?.graph.nodes.values() ?? []) todo.push(node.type);
  }
  return false;
}

export const withoutDots = (link: Link): Link =>
  "parentId" in link.rest ? { ...link, rest: without(link.rest, ["parentId"]) } : link;

export interface Pasted {
  readonly nodes: readonly NodeId[];
  readonly frames: readonly number[];
}

/**
 * Pastes a clip with new ids, links among its nodes kept; with `outer`, links from nodes that are still here too.
 * Nodes of a subgraph are not pasted into that subgraph: it would have no end.
 */
export function paste(doc: Doc, at: GraphId, clip: Clip, shift: Point, outer = false): readonly [Doc, Pasted] {
  const graph = graphOf(doc, at);
  const subgraphs = new Map(doc.subgraphs);
  for (const one of clip.subgraphs) if (!subgraphs.has(one.id)) subgraphs.set(one.id, one);
  const pasted = clip.nodes.filter((node) => !uses({ subgraphs }, node.type, at));
  const ids = new Map(pasted.map((node, i) => [node.id, String(graph.lastNode + 1 + i)]));
  const nodes = new Map(graph.nodes);
  for (const node of pasted) {
    const id = ids.get(node.id) as NodeId;
    nodes.set(id, { ...node, id, x: node.x + shift.x, y: node.y + shift.y });
  }
  const links = new Map(graph.links);
  let lastLink = graph.lastLink;
  const ports = doc.subgraphs.get(at)?.inputs ?? [];
  const isHere = ({ from, slot, type }: Link) =>
    from === GRAPH_INPUT ? fits(ports[slot]?.type ?? "NONE", type) : graph.nodes.has(from);
  for (const link of clip.links) {
    const from = ids.get(link.from) ?? (outer && isHere(link) ? link.from : undefined);
    const to = ids.get(link.to);
    if (from === undefined || to === undefined) continue;
    lastLink += 1;
    links.set(lastLink, { ...withoutDots(link), id: lastLink, from, to });
  }
  const made = pasteFrames(graph, clip.frames, shift, ids);
  const frames = made.length ? new Map([...graph.frames, ...made.map((one) => [one.id, one] as const)]) : graph.frames;
  const next = { ...graph, nodes, links, frames, lastNode: graph.lastNode + pasted.length, lastLink };
  return [
    withGraph({ ...doc, subgraphs }, at, next),
    { nodes: [...ids.values()], frames: made.map((frame) => frame.id) },
  ];
}

function pasteFrames(
  graph: Graph,
  frames: readonly Frame[],
  shift: Point,
  nodes: ReadonlyMap<NodeId, NodeId>,
): readonly Frame[] {
  const last = Math.max(0, ...graph.frames.keys());
  const ids = new Map(frames.map((frame, i) => [frame.id, last + 1 + i]));
  const inside = (folded: NonNullable<Frame["folded"]>) => ({
    nodes: folded.nodes.flatMap((id) => nodes.get(id) ?? []),
    frames: folded.frames.flatMap((id) => ids.get(id) ?? []),
  });
  return frames.map((frame) => ({
    ...frame,
    id: ids.get(frame.id) as number,
    x: frame.x + shift.x,
    y: frame.y + shift.y,
    ...(frame.folded ? { folded: inside(frame.folded) } : {}),
  }));
}
