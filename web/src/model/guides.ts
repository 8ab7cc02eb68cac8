import type { Box, Point } from "./edits";

/** A line along which what is dragged lies with something else: x or y, and from where to where. */
export interface Guide {
  readonly axis: "x" | "y";
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

/** A gap between two boxes along an axis, drawn at one place across it. */
export interface Spacing {
  readonly axis: "x" | "y";
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export interface Aligned {
  readonly shift: Point;
  readonly guides: readonly Guide[];
  readonly spacings: readonly Spacing[];
}

type Axis = Guide["axis"];

const START = { x: "x", y: "y" } as const;
const SIZE = { x: "width", y: "height" } as const;
const ACROSS = { x: "y", y: "x" } as const;

const lines = (box: Box, axis: Axis): readonly number[] => {
  const [start, size] = [box[START[axis]], box[SIZE[axis]]];
  return [start, start + size / 2, start + size];
};

/**
 * How to shift a box by at most `reach` so that an edge or its middle lies with that of another, or so that it is as far
 * from its neighbours as they are from each other; and what to draw of that.
 */
export function align(box: Box, others: readonly Box[], reach: number): Aligned {
  const lined = { x: nearest(box, others, "x", reach), y: nearest(box, others, "y", reach) };
  const gaps = { x: evenly(box, others, "x", reach), y: evenly(box, others, "y", reach) };
  const shift = { x: lesser(lined.x, gaps.x), y: lesser(lined.y, gaps.y) };
  const moved = { ...box, x: box.x + (shift.x ?? 0), y: box.y + (shift.y ?? 0) };
  const on = (by: number | undefined, axis: Axis) => by !== undefined && Math.abs(by - (shift[axis] ?? 0)) < 0.5;
  const guides = AXES.flatMap((axis) => (on(lined[axis], axis) ? guidesOf(moved, others, axis) : []));
  const spacings = AXES.flatMap((axis) => (on(gaps[axis], axis) ? spacingsOf(moved, others, axis) : []));
  return { shift: { x: shift.x ?? 0, y: shift.y ?? 0 }, guides, spacings };
}

const AXES = ["x", "y"] as const;

const lesser = (a: number | undefined, b: number | undefined) =>
  a === undefined || (b !== undefined && Math.abs(b) < Math.abs(a)) ? b : a;

const startOf = (box: Box, axis: Axis) => box[START[axis]];
const endOf = (box: Box, axis: Axis) => box[START[axis]] + box[SIZE[axis]];
const beside = (a: Box, b: Box, axis: Axis) =>
  startOf(a, ACROSS[axis]) < endOf(b, ACROSS[axis]) && startOf(b, ACROSS[axis]) < endOf(a, ACROSS[axis]);

/** The nearest box before or after this one, of those that lie beside it. */
function neighbour(box: Box, others: readonly Box[], axis: Axis, way: -1 | 1): Box | undefined {
  const gap = (other: Box) =>
    way < 0 ? startOf(box, axis) - endOf(other, axis) : startOf(other, axis) - endOf(box, axis);
  const found = others.filter((other) => other !== box && beside(box, other, axis) && gap(other) > 0);
  return found.reduce<Box | undefined>((best, one) => (best && gap(best) <= gap(one) ? best : one), undefined);
}

/** How far to shift so that the gap to a neighbour is that to the other neighbour, or the one beyond. */
function evenly(box: Box, others: readonly Box[], axis: Axis, reach: number): number | undefined {
  const before = neighbour(box, others, axis, -1);
  const after = neighbour(box, others, axis, 1);
  const tries: number[] = [];
  const size = box[SIZE[axis]];
  if (before && after) tries.push((endOf(before, axis) + startOf(after, axis) - size) / 2);
  const first = before && neighbour(before, others, axis, -1);
  if (before && first)
    tries.push(2 * endOf(before, axis) + (startOf(before, axis) - endOf(before, axis)) - endOf(first, axis));
  const last = after && neighbour(after, others, axis, 1);
  if (after && last) tries.push(startOf(after, axis) - (startOf(last, axis) - endOf(after, axis)) - size);
  const shifts = tries.map((at) => at - startOf(box, axis)).filter((by) => Math.abs(by) <= reach);
  return shifts.reduce<number | undefined>((best, by) => lesser(best, by), undefined);
}

/** The gaps on both sides, and beyond, that are as wide as one next to the box. */
function spacingsOf(box: Box, others: readonly Box[], axis: Axis): readonly Spacing[] {
  const before = neighbour(box, others, axis, -1);
  const after = neighbour(box, others, axis, 1);
  const row = [
    before && neighbour(before, others, axis, -1),
    before,
    box,
    after,
    after && neighbour(after, others, axis, 1),
  ];
  const gaps = row.slice(1).flatMap((next, i) => {
    const prior = row[i];
    return prior && next ? [{ own: prior === box || next === box, ...gapOf(prior, next, axis) }] : [];
  });
  const same = (a: Spacing, b: Spacing) => Math.abs(a.to - a.from - (b.to - b.from)) < 1;
  return gaps
    .filter((one) => gaps.some((other) => other !== one && (one.own || other.own) && same(one, other)))
    .map(({ own: _, ...spacing }) => spacing);
}

function gapOf(a: Box, b: Box, axis: Axis): Spacing {
  const across = ACROSS[axis];
  const at = (Math.max(startOf(a, across), startOf(b, across)) + Math.min(endOf(a, across), endOf(b, across))) / 2;
  return { axis, at, from: endOf(a, axis), to: startOf(b, axis) };
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
