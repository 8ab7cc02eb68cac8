import type { Part } from "./clip";
import { type Doc, type Frame, type Graph, type GraphId, graphOf, type NodeId, withGraph } from "./document";
import { type Box, editFrame, moveNodes, nodesIn, type Point } from "./edits";
import { HEADER } from "./layout";
import type { Surroundings } from "./shape";

/*
 * A frame folds to its title: what lies in it is not drawn, and the links from and to there end at the frame. What it
 * holds is noted when it folds, so that nothing else disappears into it.
 */

export const FOLDED_WIDTH = 256;
export const FOLDED_HEIGHT = HEADER + 8;

/** What is hidden in folded frames: each node with the frame that is drawn in its place. */
export interface Hidden {
  readonly nodes: ReadonlyMap<NodeId, number>;
  readonly frames: ReadonlySet<number>;
}

const nothing: Hidden = { nodes: new Map(), frames: new Set() };
const known = new WeakMap<Graph["frames"], Hidden>();

export function hiddenIn({ frames }: Pick<Graph, "frames">): Hidden {
  const before = known.get(frames);
  if (before) return before;
  const folded = [...frames.values()].filter((frame) => frame.folded);
  const made = folded.length ? hiddenBy(folded) : nothing;
  known.set(frames, made);
  return made;
}

function hiddenBy(folded: readonly Frame[]): Hidden {
  const inside = new Set(folded.flatMap((frame) => frame.folded?.frames ?? []));
  const nodes = new Map<NodeId, number>();
  // A frame that is itself hidden comes last: its nodes are drawn as the frame around it.
  const outer = folded.filter((frame) => !inside.has(frame.id));
  for (const frame of [...outer, ...folded.filter((one) => inside.has(one.id))])
    for (const id of frame.folded?.nodes ?? []) if (!nodes.has(id)) nodes.set(id, frame.id);
  return { nodes, frames: inside };
}

/** The box of a frame on the canvas. */
export function frameBox(frame: Frame): Box {
  const { x, y, width, height } = frame;
  return frame.folded ? { x, y, width: Math.min(width, FOLDED_WIDTH), height: FOLDED_HEIGHT } : { x, y, width, height };
}

/** What a frame takes along when it is moved, and hides when it is folded. */
export function contentOf(frame: Frame, around: Surroundings): NonNullable<Frame["folded"]> {
  if (frame.folded) return frame.folded;
  const hidden = hiddenIn(around.graph);
  const frames = [...around.graph.frames.values()].filter((one) => one.id !== frame.id && isInside(one, frame));
  const carried = frames.flatMap((one) => one.folded?.nodes ?? []);
  const nodes = nodesIn(frame, around).filter((id) => !hidden.nodes.has(id));
  return { nodes: [...new Set([...nodes, ...carried])], frames: frames.map((one) => one.id) };
}

/** The nodes and frames given, and what lies in those frames. */
export function withContent(part: Part, around: Surroundings): Part {
  const inside = [...part.frames].flatMap((id) => {
    const frame = around.graph.frames.get(id);
    return frame ? [contentOf(frame, around)] : [];
  });
  return {
    nodes: new Set([...part.nodes, ...inside.flatMap((one) => one.nodes)]),
    frames: new Set([...part.frames, ...inside.flatMap((one) => one.frames)]),
  };
}

/** Moves nodes and frames by the same way. */
export function shiftPart(doc: Doc, at: GraphId, part: Part, by: Point): Doc {
  const { nodes, frames } = graphOf(doc, at);
  const places = new Map<NodeId, Point>();
  for (const id of part.nodes) {
    const node = nodes.get(id);
    if (node) places.set(id, { x: node.x + by.x, y: node.y + by.y });
  }
  let next = moveNodes(doc, at, places);
  for (const id of part.frames) {
    const frame = frames.get(id);
    if (frame) next = editFrame(next, at, id, { x: frame.x + by.x, y: frame.y + by.y });
  }
  return next;
}

function isInside(one: Frame, outer: Frame): boolean {
  const box = frameBox(one);
  return holds(outer, box) && box.width * box.height < outer.width * outer.height;
}

const holds = (outer: Box, box: Box) =>
  box.x >= outer.x &&
  box.y >= outer.y &&
  box.x + box.width <= outer.x + outer.width &&
  box.y + box.height <= outer.y + outer.height;

/** The frames in view that lie in the box as a whole. */
export function framesWithin(box: Box, graph: Graph): readonly number[] {
  const hidden = hiddenIn(graph).frames;
  return [...graph.frames.values()]
    .filter((frame) => !hidden.has(frame.id) && holds(box, frameBox(frame)))
    .map((frame) => frame.id);
}

/** Folds the frames, or unfolds them if all are folded. */
export function toggleFolded(doc: Doc, at: GraphId, ids: readonly number[], around: Surroundings): Doc {
  const frames = ids.flatMap((id) => graphOf(doc, at).frames.get(id) ?? []);
  const unfolding = frames.every((frame) => frame.folded);
  return frames.reduce((next, frame) => {
    if (unfolding) return unfold(next, at, frame.id);
    return frame.folded ? next : editFrame(next, at, frame.id, { folded: contentOf(frame, around) });
  }, doc);
}

function unfold(doc: Doc, at: GraphId, id: number): Doc {
  const graph = graphOf(doc, at);
  const { folded, ...frame } = graph.frames.get(id) ?? {};
  if (!folded) return doc;
  return withGraph(doc, at, { ...graph, frames: new Map(graph.frames).set(id, frame as Frame) });
}

/** Unfolds whatever hides the node. */
export function uncover(doc: Doc, at: GraphId, node: NodeId): Doc {
  let next = doc;
  for (;;) {
    const frame = hiddenIn(graphOf(next, at)).nodes.get(node);
    if (frame === undefined) return next;
    next = unfold(next, at, frame);
  }
}
