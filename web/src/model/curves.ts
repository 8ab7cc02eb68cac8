import type { Point } from "./edits";

/* The lines that links are drawn as. */

export interface Ends {
  readonly sourceX: number;
  readonly sourceY: number;
  readonly targetX: number;
  readonly targetY: number;
}

/** A horizontal cubic, or steps; links that go backwards swing round their nodes. */
export function linkPath(ends: Ends, straight = false): string {
  const { sourceX, sourceY, targetX, targetY } = ends;
  if (straight) return `M${sourceX},${sourceY} H${stepAt(ends)} V${targetY} H${targetX}`;
  const pull = pullOf(ends);
  return `M${sourceX},${sourceY} C${sourceX + pull},${sourceY} ${targetX - pull},${targetY} ${targetX},${targetY}`;
}

const stepAt = ({ sourceX, targetX }: Ends) => sourceX + Math.max(24, (targetX - sourceX) / 2);

function pullOf({ sourceX, targetX }: Ends): number {
  const dx = targetX - sourceX;
  return dx >= 0 ? Math.min(200, Math.max(40, dx / 2)) : Math.min(320, 80 - dx / 3);
}

/** The parts of a link, from one point that it is led through to the next. */
function partsOf(ends: Ends, via: readonly Point[]): readonly Ends[] {
  const stops = [{ x: ends.sourceX, y: ends.sourceY }, ...via, { x: ends.targetX, y: ends.targetY }];
  return stops.slice(1).map((to, i) => {
    const from = stops[i] as Point;
    return { sourceX: from.x, sourceY: from.y, targetX: to.x, targetY: to.y };
  });
}

/** The path from one end to the other by way of the points, each part as a link of its own. */
export function pathThrough(ends: Ends, via: readonly Point[], straight: boolean): string {
  if (!via.length) return linkPath(ends, straight);
  return partsOf(ends, via)
    .map((part) => linkPath(part, straight))
    .join(" ");
}

/** Halfway along the middle part of the link. */
export function middleOf(ends: Ends, via: readonly Point[]): Point {
  const parts = partsOf(ends, via);
  const { sourceX, sourceY, targetX, targetY } = parts[Math.floor(via.length / 2)] as Ends;
  return { x: (sourceX + targetX) / 2, y: (sourceY + targetY) / 2 };
}

const PIECES = 24;

/** Points along the link, so near to each other that the straight lines between them are as good as it. */
export function pointsAlong(ends: Ends, via: readonly Point[], straight: boolean): readonly Point[] {
  return partsOf(ends, via).flatMap((part) => (straight ? corners(part) : sampled(part)));
}

function corners(part: Ends): readonly Point[] {
  const x = stepAt(part);
  return [
    { x: part.sourceX, y: part.sourceY },
    { x, y: part.sourceY },
    { x, y: part.targetY },
    { x: part.targetX, y: part.targetY },
  ];
}

function sampled(part: Ends): readonly Point[] {
  const { sourceX, sourceY, targetX, targetY } = part;
  const pull = pullOf(part);
  return Array.from({ length: PIECES + 1 }, (_, i) => {
    const t = i / PIECES;
    const u = 1 - t;
    const [a, b, c, d] = [u ** 3, 3 * u ** 2 * t, 3 * u * t ** 2, t ** 3];
    return {
      x: a * sourceX + b * (sourceX + pull) + c * (targetX - pull) + d * targetX,
      y: (a + b) * sourceY + (c + d) * targetY,
    };
  });
}

/** Whether two lines of straight pieces cross somewhere. */
export function crosses(one: readonly Point[], other: readonly Point[]): boolean {
  return one.some((a, i) => {
    const b = one[i + 1];
    return b !== undefined && other.some((c, j) => piecesCross(a, b, c, other[j + 1]));
  });
}

function piecesCross(a: Point, b: Point, c: Point, d: Point | undefined): boolean {
  if (!d) return false;
  return side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b);
}

const side = (a: Point, b: Point, p: Point) => (b.x - a.x) * (p.y - a.y) > (b.y - a.y) * (p.x - a.x);
