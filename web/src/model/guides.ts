import type { Box, Point } from "./edits";

/** A line along which what is dragged lies with something else: x or y, and from where to where. */
export interface Guide {
  readonly axis: "x" | "y";
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export interface Aligned {
  readonly shift: Point;
  readonly guides: readonly Guide[];
}

type Axis = Guide["axis"];

const START = { x: "x", y: "y" } as const;
const SIZE = { x: "width", y: "height" } as const;
const ACROSS = { x: "y", y: "x" } as const;

const lines = (box: Box, axis: Axis): readonly number[] => {
  const [start, size] = [box[START[axis]], box[SIZE[axis]]];
  return [start, start + size / 2, start + size];
};

/** How to shift a box by at most `reach` so that an edge or its middle lies with that of another, and the lines to draw. */
export function align(box: Box, others: readonly Box[], reach: number): Aligned {
  const shift = { x: nearest(box, others, "x", reach), y: nearest(box, others, "y", reach) };
  const moved = { ...box, x: box.x + (shift.x ?? 0), y: box.y + (shift.y ?? 0) };
  const guides = (["x", "y"] as const).flatMap((axis) =>
    shift[axis] === undefined ? [] : guidesOf(moved, others, axis),
  );
  return { shift: { x: shift.x ?? 0, y: shift.y ?? 0 }, guides };
}

function nearest(box: Box, others: readonly Box[], axis: Axis, reach: number): number | undefined {
  let best: number | undefined;
  const own = lines(box, axis);
  for (const other of others) {
    for (const [i, line] of lines(other, axis).entries()) {
      // Left edges go with left edges, middles with middles: other pairs are chance.
      const by = line - (own[i] as number);
      if (Math.abs(by) <= reach && (best === undefined || Math.abs(by) < Math.abs(best))) best = by;
    }
  }
  return best;
}

function guidesOf(box: Box, others: readonly Box[], axis: Axis): readonly Guide[] {
  const across = ACROSS[axis];
  return lines(box, axis).flatMap((at, i) => {
    const same = others.filter((other) => Math.abs((lines(other, axis)[i] as number) - at) < 0.5);
    if (!same.length) return [];
    const all = [box, ...same];
    const from = Math.min(...all.map((one) => one[START[across]]));
    const to = Math.max(...all.map((one) => one[START[across]] + one[SIZE[across]]));
    return [{ axis, at, from, to }];
  });
}

const REVERSALS = 4;
const WITHIN_MS = 1200;
const LEAST_WAY = 20;

/** Tells when what is dragged is shaken: its direction turned round often in a short time. */
export function makeShake(): (x: number, now: number) => boolean {
  let last: number | undefined;
  let way = 0;
  let turns: number[] = [];
  return (x, now) => {
    const by = last === undefined ? 0 : x - last;
    if (last === undefined || Math.abs(by) >= LEAST_WAY) {
      if (way && by && Math.sign(by) !== way) turns = [...turns.filter((time) => now - time < WITHIN_MS), now];
      if (by) way = Math.sign(by);
      last = x;
    }
    if (turns.length < REVERSALS) return false;
    turns = [];
    return true;
  };
}
