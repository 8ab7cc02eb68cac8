import { describe, expect, it } from "vitest";
import { sheetOf } from "../../src/model/contactSheet";
import { FITTED, fitOf, isFitted, zoomedAt } from "../../src/model/zoom";

const made = (steps: number, cfg: number, seed = 7) => ({
  3: { class_type: "KSampler", inputs: { steps, cfg, seed, model: ["1", 0] as const }, _meta: { title: "" } },
  9: { class_type: "SaveImage", inputs: { filename_prefix: `x${steps}${cfg}` }, _meta: { title: "" } },
});

describe("a contact sheet", () => {
  it("is a table where two settings go through all their values", () => {
    const sheet = sheetOf([made(10, 2), made(5, 1), made(5, 2), made(10, 1)]);
    expect(sheet.table).toEqual({
      across: "cfg",
      down: "steps",
      columns: ["1", "2"],
      rows: ["5", "10"],
      cells: [
        [1, 2],
        [3, 0],
      ],
    });
  });

  it("is a table also where the seed went on by itself", () => {
    expect(sheetOf([made(1, 1, 1), made(1, 2, 2), made(2, 1, 3), made(2, 2, 4)]).table?.cells).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it("labels what differs where there is no table", () => {
    expect(sheetOf([made(1, 1), made(2, 1), made(3, 1)])).toEqual({
      labels: ["steps 1", "steps 2", "steps 3"],
      table: undefined,
    });
    expect(sheetOf([made(1, 1), made(1, 1)]).labels).toEqual(["", ""]);
  });
});

describe("the zoom of a picture", () => {
  const stage = { width: 848, height: 448 };
  it("fits the picture into what the stage leaves", () => {
    expect(fitOf({ width: 100, height: 100 }, stage, 24)).toBe(4);
    expect(fitOf({ width: 1600, height: 100 }, stage, 24)).toBe(0.5);
  });

  it("keeps what is under the pointer there", () => {
    const at = { x: 100, y: -40 };
    const zoom = zoomedAt(FITTED, 2, at, 1);
    expect(zoom).toEqual({ scale: 2, x: -100, y: 40 });
    expect(isFitted(zoomedAt(zoom, 0.5, at, 1))).toBe(true);
  });

  it("ends where a pixel is large enough, and can always show the picture's own pixels", () => {
    expect(zoomedAt(FITTED, 1e6, { x: 0, y: 0 }, 2).scale).toBe(20);
    expect(zoomedAt(FITTED, 1 / 8, { x: 0, y: 0 }, 8).scale).toBe(0.125);
  });
});
