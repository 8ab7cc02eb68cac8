import type { NodeId } from "./document";
import { type Box, boxOf, type Point } from "./edits";
import { GRID, HEADER } from "./layout";
import type { Surroundings } from "./shape";

export interface ArrangeInput {
  readonly boxes: readonly (Box & { readonly id: NodeId })[];
  readonly links: readonly { readonly from: NodeId; readonly to: NodeId }[];
}

export function arrangeInput(around: Surroundings, only: ReadonlySet<NodeId>): ArrangeInput {
  const nodes = [...around.graph.nodes.values()].filter((node) => only.has(node.id));
  const links = [...around.graph.links.values()].filter((link) => only.has(link.from) && only.has(link.to));
  return { boxes: nodes.map((node) => ({ id: node.id, ...boxOf(node, around) })), links };
}

export interface Sizes {
  readonly column: number;
  readonly row: number;
}

/**
 * Columns by the longest way from a source, rows in the order that crosses least: each column is sorted, back and
 * forth a few times, by the middle of what its nodes are linked to. Gives where each node's body begins.
 */
export function arrange(input: ArrangeInput, gaps: Sizes = { column: 72, row: 32 }): ReadonlyMap<NodeId, Point> {
  if (!input.boxes.length) return new Map();
  const columns = columnsOf(input);
  sortColumns(columns, input);
  return placeColumns(columns, input, gaps);
}

function columnsOf({ boxes, links }: ArrangeInput): NodeId[][] {
  const depth = new Map<NodeId, number>(boxes.map((box) => [box.id, 0]));
  for (let round = 0, moved = true; moved && round <= boxes.length; round++) {
    moved = false;
    for (const { from, to } of links) {
      const least = (depth.get(from) ?? 0) + 1;
      if ((depth.get(to) ?? 0) >= least) continue;
      depth.set(to, least);
      moved = true;
    }
  }
  // A source sits right before the first that needs it, not far away at the left edge.
  for (const { id } of boxes) {
    const outs = links.filter((link) => link.from === id).map((link) => depth.get(link.to) ?? 0);
    if (outs.length && !links.some((link) => link.to === id)) depth.set(id, Math.max(0, Math.min(...outs) - 1));
  }
  const columns: NodeId[][] = [];
  for (const { id } of [...boxes].sort((a, b) => a.y - b.y)) {
    const at = depth.get(id) ?? 0;
    while (columns.length <= at) columns.push([]);
    (columns[at] as NodeId[]).push(id);
  }
  return columns.filter((column) => column.length);
}

function sortColumns(columns: NodeId[][], { links }: ArrangeInput): void {
  const friends = new Map<NodeId, NodeId[]>();
  for (const { from, to } of links) {
    friends.set(from, [...(friends.get(from) ?? []), to]);
    friends.set(to, [...(friends.get(to) ?? []), from]);
  }
  const rank = new Map<NodeId, number>();
  const remember = () => {
    for (const column of columns) for (const [i, id] of column.entries()) rank.set(id, i / column.length);
  };
  remember();
  for (let round = 0; round < 6; round++) {
    for (const column of round % 2 ? [...columns].reverse() : columns) {
      const middle = new Map(
        column.map((id) => [
          id,
          mean(
            (friends.get(id) ?? []).map((one) => rank.get(one) ?? 0),
            rank.get(id) ?? 0,
          ),
        ]),
      );
      column.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
      for (const [i, id] of column.entries()) rank.set(id, i / column.length);
    }
  }
}

function mean(list: readonly number[], otherwise: number): number {
  return list.length ? list.reduce((sum, one) => sum + one, 0) / list.length : otherwise;
}

function placeColumns(columns: readonly NodeId[][], { boxes }: ArrangeInput, gaps: Sizes): ReadonlyMap<NodeId, Point> {
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const left = Math.min(...boxes.map((box) => box.x));
  const top = Math.min(...boxes.map((box) => box.y));
  const heights = columns.map((column) =>
    column.reduce((sum, id) => sum + (byId.get(id)?.height ?? 0) + gaps.row, -gaps.row),
  );
  const tallest = Math.max(...heights);
  const places = new Map<NodeId, Point>();
  let x = left;
  columns.forEach((column, i) => {
    let y = top + Math.min(tallest - (heights[i] ?? 0), 400) / 2;
    for (const id of column) {
      places.set(id, { x: snap(x), y: snap(y) + HEADER });
      y += (byId.get(id)?.height ?? 0) + gaps.row;
    }
    x += Math.max(...column.map((id) => byId.get(id)?.width ?? 0)) + gaps.column;
  });
  return places;
}

export function snap(value: number): number {
  return Math.round(value / GRID) * GRID;
}

export type Align = "left" | "right" | "top" | "bottom" | "across" | "down";

/** Edges brought in line, or gaps made equal. */
export function align(boxes: readonly (Box & { readonly id: NodeId })[], how: Align): ReadonlyMap<NodeId, Point> {
  const first = boxes[0];
  if (!first) return new Map();
  const put = (box: Box & { readonly id: NodeId }, x: number, y: number) => [box.id, { x, y: y + HEADER }] as const;
  if (how === "left") return new Map(boxes.map((box) => put(box, Math.min(...boxes.map((one) => one.x)), box.y)));
  if (how === "top") return new Map(boxes.map((box) => put(box, box.x, Math.min(...boxes.map((one) => one.y)))));
  if (how === "right") {
    const edge = Math.max(...boxes.map((one) => one.x + one.width));
    return new Map(boxes.map((box) => put(box, edge - box.width, box.y)));
  }
  if (how === "bottom") {
    const edge = Math.max(...boxes.map((one) => one.y + one.height));
    return new Map(boxes.map((box) => put(box, box.x, edge - box.height)));
  }
  return distribute(boxes, how);
}

function distribute(
  boxes: readonly (Box & { readonly id: NodeId })[],
  how: "across" | "down",
): ReadonlyMap<NodeId, Point> {
  const axis = how === "across" ? "x" : "y";
  const size = how === "across" ? "width" : "height";
  const sorted = [...boxes].sort((a, b) => a[axis] - b[axis]);
  const first = sorted[0] as Box;
  const last = sorted[sorted.length - 1] as Box;
  const room = last[axis] + last[size] - first[axis] - sorted.reduce((sum, box) => sum + box[size], 0);
  const gap = Math.max(24, sorted.length > 1 ? room / (sorted.length - 1) : 0);
  let at = first[axis];
  return new Map(
    sorted.map((box) => {
      const place = axis === "x" ? { x: Math.round(at), y: box.y + HEADER } : { x: box.x, y: Math.round(at) + HEADER };
      at += box[size] + gap;
      return [box.id, place] as const;
    }),
  );
}
