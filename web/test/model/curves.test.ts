import { describe, expect, it } from "vitest";
import { crosses, linkPath, middleOf, pathThrough, pointsAlong } from "../../src/model/curves";

const ends = { sourceX: 0, sourceY: 0, targetX: 200, targetY: 100 };

describe("the line of a link", () => {
  it("leaves and arrives level, pulled by half the way between 40 and 200", () => {
    expect(linkPath(ends)).toBe("M0,0 C100,0 100,100 200,100");
    expect(linkPath({ ...ends, targetX: 20 })).toBe("M0,0 C40,0 -20,100 20,100");
    expect(linkPath({ ...ends, targetX: 4000 })).toBe("M0,0 C200,0 3800,100 4000,100");
  });
  it("swings round where it goes backwards", () => {
    expect(linkPath({ ...ends, targetX: -300 })).toBe("M0,0 C180,0 -480,100 -300,100");
  });
  it("goes in steps", () => expect(linkPath(ends, true)).toBe("M0,0 H100 V100 H200"));
  it("goes by way of its points", () => {
    expect(pathThrough(ends, [{ x: 80, y: 40 }], false).match(/M/g)).toHaveLength(2);
    expect(middleOf(ends, [])).toEqual({ x: 100, y: 50 });
    expect(middleOf(ends, [{ x: 80, y: 40 }])).toEqual({ x: 40, y: 20 });
  });
});

describe("a cut", () => {
  const link = pointsAlong(ends, [], false);
  const stroke = (...points: readonly (readonly [number, number])[]) => points.map(([x, y]) => ({ x, y }));

  it("follows the line as it is drawn", () => {
    expect(link[0]).toEqual({ x: 0, y: 0 });
    expect(link[12]).toEqual({ x: 100, y: 50 });
    expect(link[24]).toEqual({ x: 200, y: 100 });
  });
  it("takes what it crosses, in whichever of its pieces", () => {
    expect(crosses(stroke([100, 0], [100, 100]), link)).toBe(true);
    expect(crosses(stroke([-50, 200], [90, 200], [110, 0]), link)).toBe(true);
  });
  it("leaves what it only comes near, or would reach if it went on", () => {
    expect(crosses(stroke([100, 60], [100, 100]), link)).toBe(false);
    expect(crosses(stroke([300, 0], [300, 200]), link)).toBe(false);
    expect(crosses(stroke([100, 0]), link)).toBe(false);
  });
  it("takes the corners of steps, not the curve that is not drawn", () => {
    const steps = pointsAlong(ends, [], true);
    expect(crosses(stroke([90, 10], [110, 10]), steps)).toBe(true);
    expect(crosses(stroke([60, 10], [70, 40]), steps)).toBe(false);
  });
});
