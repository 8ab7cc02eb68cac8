import { arrange } from "./arrange";
import type { Doc, GraphId, NodeId } from "./document";
import { type Box, bounds, boxOf, editFrame, moveNodes, type Point } from "./edits";
import { contentOf, frameBox } from "./frames";
import { HEADER } from "./layout";
import type { Surroundings } from "./shape";

/*
 * Tidies nodes with their frames: what lies in a frame is arranged by itself, then the frame is one block among the
 * others. Folded frames are blocks as they are, and carry what they hide.
 */

export interface Tidied {
  readonly nodes: ReadonlyMap<NodeId, Point>;
  readonly frames: ReadonlyMap<number, Box>;
}

/** The room in a frame around its nodes, in steps of the grid; its title has some more. */
const PAD = 32;
const TITLE = 32;

/** The box of a frame that holds the given one. */
export const frameAround = (box: Box): Box => ({
  x: box.x - PAD,
  y: box.y - PAD - TITLE,
  width: box.width + 2 * PAD,
  height: box.height + 2 * PAD + TITLE,
});

export function tidy(around: Surroundings, only: ReadonlySet<NodeId>): Tidied {
  const frames = [...around.graph.frames.values()]
    .map((frame) => ({ id: frame.id, frame, ...insideOf(around, frame.id) }))
    .filter(({ nodes }) => nodes.length > 0 && nodes.every((id) => only.has(id)))
    .sort((a, b) => b.nodes.length - a.nodes.length);
  return level({ around, frames }, [...only], new Set(frames.map((one) => one.id)));
}

export function applyTidied(doc: Doc, at: GraphId, { nodes, frames }: Tidied): Doc {
  return [...frames].reduce((next, [id, box]) => editFrame(next, at, id, box), moveNodes(doc, at, nodes));
}

function insideOf(around: Surroundings, id: number) {
  const frame = around.graph.frames.get(id);
  return frame ? contentOf(frame, around) : { nodes: [], frames: [] };
}

interface Known {
  readonly id: number;
  readonly frame: Parameters<typeof contentOf>[0];
  readonly nodes: readonly NodeId[];
  readonly frames: readonly number[];
}

interface Work {
  readonly around: Surroundings;
  readonly frames: readonly Known[];
}

interface Block {
  readonly id: string;
  readonly box: Box;
  readonly inside: Tidied;
}

/** Arranges the nodes, of which those in one of the frames make a block. */
function level(work: Work, nodes: readonly NodeId[], among: ReadonlySet<number>): Tidied {
  const { around } = work;
  const owner = new Map<NodeId, string>();
  const blocks = new Map<string, Block>();
  const inner = new Set<number>();
  for (const known of work.frames) {
    if (!among.has(known.id) || inner.has(known.id)) continue;
    for (const id of known.frames) inner.add(id);
    const own = known.nodes.filter((id) => !owner.has(id));
    if (!own.length) continue;
    const block = known.frame.folded ? foldedBlock(work, known) : openBlock(work, known, own);
    blocks.set(block.id, block);
    for (const id of own) owner.set(id, block.id);
  }
  for (const id of nodes) {
    const node = around.graph.nodes.get(id);
    if (!node || owner.has(id)) continue;
    const box = boxOf(node, around);
    const inside = { nodes: new Map([[id, { x: node.x, y: node.y }]]), frames: new Map() };
    blocks.set(id, { id, box, inside });
    owner.set(id, id);
  }
  const links = [...around.graph.links.values()].flatMap((link) => {
    const [from, to] = [owner.get(link.from), owner.get(link.to)];
    return from !== undefined && to !== undefined && from !== to ? [{ from, to }] : [];
  });
  const places = arrange({ boxes: [...blocks.values()].map(({ id, box }) => ({ id, ...box })), links });
  return joined([...blocks.values()].map((block) => movedTo(block, places.get(block.id))));
}

function openBlock(work: Work, known: Known, own: readonly NodeId[]): Block {
  const inside = level(work, own, new Set(known.frames));
  const boxes = [...inside.nodes].flatMap(([id, { x, y }]) => {
    const node = work.around.graph.nodes.get(id);
    return node ? [{ ...boxOf(node, work.around), x, y: y - HEADER }] : [];
  });
  const box = frameAround(bounds([...boxes, ...inside.frames.values()]) ?? frameBox(known.frame));
  return { id: blockId(known), box, inside: { ...inside, frames: new Map(inside.frames).set(known.id, box) } };
}

function foldedBlock({ around }: Work, known: Known): Block {
  const nodes = known.nodes.flatMap((id) => {
    const node = around.graph.nodes.get(id);
    return node ? [[id, { x: node.x, y: node.y }] as const] : [];
  });
  const frames = [known.id, ...known.frames].flatMap((id) => {
    const { x, y, width, height } = around.graph.frames.get(id) ?? known.frame;
    return [[id, { x, y, width, height }] as const];
  });
  return { id: blockId(known), box: frameBox(known.frame), inside: { nodes: new Map(nodes), frames: new Map(frames) } };
}

const blockId = ({ id }: Known) => `frame:${id}`;

/** The block with its body at the place. */
function movedTo({ box, inside }: Block, to: Point | undefined): Tidied {
  if (!to) return inside;
  const by = { x: to.x - box.x, y: to.y - HEADER - box.y };
  const moved = <T extends Point>(one: T): T => ({ ...one, x: one.x + by.x, y: one.y + by.y });
  return {
    nodes: new Map([...inside.nodes].map(([id, place]) => [id, moved(place)])),
    frames: new Map([...inside.frames].map(([id, frame]) => [id, moved(frame)])),
  };
}

const joined = (parts: readonly Tidied[]): Tidied => ({
  nodes: new Map(parts.flatMap((one) => [...one.nodes])),
  frames: new Map(parts.flatMap((one) => [...one.frames])),
});
