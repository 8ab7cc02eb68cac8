import { describe, expect, it } from "vitest";
import { outline } from "../src/mask/area";
import { dabsBetween } from "../src/mask/brush";
import { fitted, inPicture, panned, pinched, zoomedAt } from "../src/mask/view";

const view = { x: 10, y: 20, scale: 2 };

describe("the view of a mask", () => {
  it("shows the whole picture in the middle", () => {
    const whole = fitted({ width: 1048, height: 548 }, { width: 100, height: 100 });
    expect(whole).toEqual({ scale: 5, x: 274, y: 24 });
  });

  it("keeps what is at the pointer there", () => {
    const at = { x: 111, y: 57 };
    expect(inPicture(zoomedAt(view, at, 1.7), at).x).toBeCloseTo(inPicture(view, at).x);
    expect(zoomedAt(view, at, 1e9).scale).toBe(20);
  });

  it("follows two fingers", () => {
    const from = [
      { x: 0, y: 0 },
      { x: 100, y: 0 },
    ] as const;
    const moved = pinched(view, from, [
      { x: 30, y: 0 },
      { x: 130, y: 0 },
    ]);
    expect(moved).toEqual(panned(view, { x: 30, y: 0 }));
    const apart = pinched(view, from, [
      { x: -50, y: 0 },
      { x: 150, y: 0 },
    ]);
    expect(apart.scale).toBe(4);
    expect(inPicture(apart, { x: 50, y: 0 })).toEqual(inPicture(view, { x: 50, y: 0 }));
  });
});

describe("what a drag encloses", () => {
  const points = [
    { x: 1, y: 2 },
    { x: 9, y: 9 },
    { x: 5, y: 6 },
  ];

  it("is a box from where it began to where it is, or all of its way", () => {
    expect(outline("rectangle", points)).toEqual([
      { x: 1, y: 2 },
      { x: 5, y: 2 },
      { x: 5, y: 6 },
      { x: 1, y: 6 },
    ]);
    expect(outline("lasso", points)).toBe(points);
  });

  it("is one stroke, however fast the pointer goes", () => {
    const dabs = dabsBetween({ x: 0, y: 0, pressure: 0 }, { x: 100, y: 0, pressure: 1 }, 50);
    expect(dabs.length).toBeGreaterThan(15);
    expect(dabs[dabs.length - 1]).toEqual({ x: 100, y: 0, pressure: 1 });
  });
});
