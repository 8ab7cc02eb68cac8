import { type Box, bounds } from "./edits";

/* Where the view goes. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Viewport {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export const LEAST_ZOOM = 0.05;
export const MOST_ZOOM = 2.5;

/** The part of the room that is left free at each side. */
const MARGIN = 0.06;

/** The view that shows the box in the middle of the room, as large as it may be. */
export function viewOf(box: Box, room: Size, most = 1): Viewport {
  const free = 1 - 2 * MARGIN;
  const fitting = Math.min((room.width * free) / box.width, (room.height * free) / box.height);
  const zoom = Math.min(most, Math.max(LEAST_ZOOM, fitting));
  return {
    x: room.width / 2 - (box.x + box.width / 2) * zoom,
    y: room.height / 2 - (box.y + box.height / 2) * zoom,
    zoom,
  };
}

/**
 * The view of a graph that is opened: all of it where it can be read then, else where it begins, as small as can be
 * read. The boxes come in the order of the run.
 */
export function firstView(boxes: readonly Box[], room: Size, legible: number): Viewport | undefined {
  const all = bounds(boxes);
  const whole = all && viewOf(all, room);
  const first = boxes[0];
  if (!whole || !first || whole.zoom >= legible) return whole;
  const { width } = room;
  const column = boxes.filter((box) => box.x < first.x + first.width && box.x + box.width > first.x);
  const shown = bounds(column) ?? first;
  const high = shown.height * legible <= room.height * (1 - 2 * MARGIN) ? shown : first;
  const y = room.height / 2 - (high.y + high.height / 2) * legible;
  return { x: width * MARGIN - first.x * legible, y, zoom: legible };
}
