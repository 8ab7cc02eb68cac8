import { describe, expect, it } from "vitest";
import { align, makeShake } from "../../src/model/guides";

const box = (x: number, y: number, width = 100, height = 50) => ({ x, y, width, height });

describe("what is dragged near the line of another", () => {
  it("goes onto it, and shows how far the line goes", () => {
    const { shift, guides } = align(box(203, 400), [box(200, 0)], 6);
    expect(shift).toEqual({ x: -3, y: 0 });
    expect(guides).toEqual([
      { axis: "x", at: 200, from: 0, to: 450 },
      { axis: "x", at: 250, from: 0, to: 450 },
      { axis: "x", at: 300, from: 0, to: 450 },
    ]);
  });

  it("takes the nearest line on each axis", () => {
    const { shift } = align(box(204, 96), [box(200, 300), box(900, 100), box(206, 700)], 6);
    expect(shift).toEqual({ x: 2, y: 4 });
  });

  it("stays where it is when none is within reach", () => {
    expect(align(box(220, 400), [box(200, 0)], 6)).toEqual({ shift: { x: 0, y: 0 }, guides: [], spacings: [] });
    expect(align(box(0, 0), [], 6).guides).toEqual([]);
  });

  it("joins middles of boxes of other sizes", () => {
    const { shift, guides } = align(box(130, 400, 40), [box(98, 0)], 6);
    expect(shift.x).toBe(-2);
    expect(guides).toEqual([{ axis: "x", at: 148, from: 0, to: 450 }]);
  });
});

describe("what is dragged between or beside others", () => {
  const [left, right] = [box(0, 0), box(400, 10)];

  it("goes to where both gaps are the same", () => {
    const { shift, spacings } = align(box(203, 20), [left, right], 6);
    expect(shift.x).toBe(-3);
    expect(spacings.map(({ from, to }) => to - from)).toEqual([100, 100]);
  });

  it("shows the gaps that are equal, as wide as they are", () => {
    const { shift, spacings } = align(box(203, 20, 96), [left, right], 6);
    expect(shift.x).toBe(-1);
    expect(spacings).toEqual([
      { axis: "x", at: 35, from: 100, to: 202 },
      { axis: "x", at: 40, from: 298, to: 400 },
    ]);
  });

  it("goes as far from the last of a row as that is from the one before", () => {
    const row = [box(0, 0), box(130, 10), box(1000, 900)];
    const { shift, spacings } = align(box(263, 23), row, 6);
    expect(shift.x).toBe(-3);
    expect(spacings.map(({ from, to }) => [from, to])).toEqual([
      [100, 130],
      [230, 260],
    ]);
    expect(align(box(-133, 23), row, 6).shift.x).toBe(3);
  });

  it("does the same from above to below", () => {
    const { shift, spacings } = align(box(23, 164), [box(0, 0), box(10, 80)], 6);
    expect(shift.y).toBe(-4);
    expect(spacings.map(({ axis, from, to }) => [axis, from, to])).toEqual([
      ["y", 50, 80],
      ["y", 130, 160],
    ]);
  });

  it("counts nothing that lies elsewhere", () => {
    expect(align(box(203, 20, 96), [left, box(400, 300)], 6).spacings).toEqual([]);
  });
});

describe("a shake", () => {
  const drag = (steps: readonly (readonly [x: number, ms: number])[]) => {
    const shaken = makeShake();
    return steps.map(([x, ms]) => shaken(x, ms)).some(Boolean);
  };

  it("is to and fro in a short time", () => {
    expect(drag([0, 60, 0, 60, 0, 60].map((x, i) => [x, i * 60]))).toBe(true);
  });

  it("is no slow change of mind, no way in one direction and no trembling", () => {
    expect(drag([0, 60, 0, 60, 0, 60].map((x, i) => [x, i * 400]))).toBe(false);
    expect(drag([0, 60, 120, 180, 240, 300].map((x, i) => [x, i * 60]))).toBe(false);
    expect(drag([0, 5, 0, 5, 0, 5, 0, 5].map((x, i) => [x, i * 30]))).toBe(false);
  });
});
