import { describe, expect, it } from "vitest";
import { align, arrange, arrangeInput } from "../../src/model/arrange";
import { boxOf, moveNodes, surroundings } from "../../src/model/edits";
import { HEADER, layoutNode } from "../../src/model/layout";
import { shapeOf } from "../../src/model/shape";
import { build, catalogue, textToImage } from "../support";

function laidOut(type: string, values = {}, more = {}) {
  const { doc, id } = build({ n: [type, values] });
  const node = doc.root.nodes.get(id.n as string);
  if (!node) throw new Error(type);
  const shape = shapeOf(node, surroundings(doc, "root", catalogue));
  return layoutNode({ node, shape, linked: new Set(), ...more });
}

describe("the size of a node", () => {
  it("is whole numbers, and gives every socket a place on the border", () => {
    for (const type of catalogue.keys()) {
      const { width, height, handles } = laidOut(type);
      expect(Number.isInteger(width) && Number.isInteger(height)).toBe(true);
      for (const handle of handles) {
        expect(handle.x).toBe(handle.side === "in" ? 0 : width);
        expect(handle.y).toBeGreaterThanOrEqual(HEADER);
        expect(handle.y).toBeLessThan(height);
      }
      const places = handles.map((handle) => `${handle.side} ${handle.y}`);
      expect(new Set(places).size).toBe(places.length);
    }
  });

  it("grows with its text, up to a limit", () => {
    const height = (text: string) => laidOut("CLIPTextEncode", { text }).height;
    expect(height("a\n".repeat(8))).toBeGreaterThan(height("a"));
    expect(height("a\n".repeat(500))).toBe(height("a\n".repeat(400)));
  });

  it("folds advanced widgets that hold their default", () => {
    const names = (layout: ReturnType<typeof laidOut>) =>
      layout.rows.flatMap((row) => (row.kind === "widget" ? [row.widget.name] : [row.kind]));
    expect(names(laidOut("ImageBlur"))).toEqual(["sockets", "blur_radius", "more"]);
    expect(names(laidOut("ImageBlur", { sigma: 2 }))).toEqual(["sockets", "blur_radius", "sigma"]);
    expect(names(laidOut("ImageBlur", {}, { unfolded: true }))).toEqual(["sockets", "blur_radius", "sigma", "more"]);
    expect(names(laidOut("ImageBlur", {}, { linked: new Set(["sigma"]) }))).toContain("sigma");
  });

  it("has room for a picture and a message only where there is one", () => {
    const plain = laidOut("SaveImage").height;
    expect(laidOut("SaveImage", {}, { aspect: 1 }).height).toBeGreaterThan(plain + 200);
    expect(laidOut("SaveImage", {}, { message: true }).height).toBeGreaterThan(plain);
  });
});

describe("tidying up", () => {
  it("puts each node right of what feeds it, and none upon another", () => {
    const { doc } = textToImage();
    const around = surroundings(doc, "root", catalogue);
    const next = moveNodes(doc, "root", arrange(arrangeInput(around, new Set(doc.root.nodes.keys()))));
    const after = surroundings(next, "root", catalogue);
    const box = (id: string) => {
      const node = next.root.nodes.get(id);
      if (!node) throw new Error(id);
      return boxOf(node, after);
    };
    for (const link of next.root.links.values())
      expect(box(link.from).x + box(link.from).width).toBeLessThan(box(link.to).x);
    const boxes = [...next.root.nodes.keys()].map(box);
    for (const [i, a] of boxes.entries())
      for (const b of boxes.slice(i + 1))
        expect(a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y).toBe(
          true,
        );
  });

  it("ends for a graph with a circle", () => {
    const boxes = ["a", "b"].map((id) => ({ id, x: 0, y: 0, width: 10, height: 10 }));
    const links = [
      { from: "a", to: "b" },
      { from: "b", to: "a" },
    ];
    expect(arrange({ boxes, links }).size).toBe(2);
  });

  it("aligns edges and evens gaps", () => {
    const boxes = [0, 10, 200].map((x, i) => ({ id: String(i), x, y: i * 7, width: 20, height: 20 }));
    expect([...align(boxes, "left").values()].map((one) => one.x)).toEqual([0, 0, 0]);
    expect([...align(boxes, "right").values()].map((one) => one.x)).toEqual([200, 200, 200]);
    expect([...align(boxes, "across").values()].map((one) => one.x)).toEqual([0, 100, 200]);
  });
});
