import { describe, expect, it } from "vitest";
import { firstView, LEAST_ZOOM, viewOf } from "../../src/model/view";

const desk = { width: 1000, height: 800 };
const phone = { width: 390, height: 740 };
const at = (x: number, y: number, width = 250, height = 200) => ({ x, y, width, height });
const row = [at(0, 0), at(300, 0), at(600, 0), at(900, 0)];

describe("where the view goes", () => {
  it("puts the box in the middle, as large as it may be", () => {
    const { x, y, zoom } = viewOf(at(100, 100, 1760, 200), desk);
    expect(zoom).toBeCloseTo(0.5);
    expect([(100 + 880) * zoom + x, 200 * zoom + y]).toEqual([500, 400]);
    expect(viewOf(at(0, 0, 10, 10), desk).zoom).toBe(1);
    expect(viewOf(at(0, 0, 10, 10), desk, 2).zoom).toBe(2);
    expect(viewOf(at(0, 0, 1e6, 10), desk).zoom).toBe(LEAST_ZOOM);
  });
  it("shows all of a graph where all can be read", () => {
    expect(firstView(row, desk, 0.6)).toEqual(viewOf(at(0, 0, 1150, 200), desk));
    expect(firstView([], desk, 0.6)).toBeUndefined();
  });
  it("shows where a graph begins where it is too large", () => {
    const view = firstView(row, phone, 0.6);
    expect(view?.zoom).toBe(0.6);
    expect(view?.x).toBeCloseTo(390 * 0.06);
    expect((view?.y ?? 0) + 100 * 0.6).toBeCloseTo(370);
  });
  it("shows the first column as a whole where it has the room, else its first node", () => {
    const both = firstView([at(0, 0), at(0, 600), ...row.slice(1)], phone, 0.6);
    expect((both?.y ?? 0) + 400 * 0.6).toBeCloseTo(370);
    const high = firstView([at(0, 0), at(0, 6000), ...row.slice(1)], phone, 0.6);
    expect((high?.y ?? 0) + 100 * 0.6).toBeCloseTo(370);
  });
});
