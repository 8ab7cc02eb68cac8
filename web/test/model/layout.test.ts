import { describe, expect, it } from "vitest";
import { align, arrange, arrangeInput } from "../../src/model/arrange";
import { bounds, boxOf, editNode, endBoxes, moveNodes, surroundings, writeText } from "../../src/model/edits";
import { HEADER, layoutNode } from "../../src/model/layout";
import { shapeOf } from "../../src/model/shape";
import { wrapInSubgraph } from "../../src/model/wrapping";
import { build, catalogue, newId, textToImage } from "../support";

function laidOut(type: string, values = {}, more = {}, size = {}) {
  const { doc, id } = build({ n: [type, values] });
  const made = doc.root.nodes.get(id.n as string);
  if (!made) throw new Error(type);
  const node = { ...made, ...size };
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

describe("a node that a file gives a height", () => {
  const rows = (layout: ReturnType<typeof laidOut>, kind: string) => layout.rows.filter((row) => row.kind === kind);
  const long = { text: "a word\n".repeat(40) };

  it("is as tall as that: its text scrolls, or has the room that is left", () => {
    for (const height of [140, 420])
      expect(laidOut("CLIPTextEncode", long, {}, { height }).height).toBe(height + HEADER);
    expect(laidOut("Note", long, {}, { height: 90 }).height).toBe(90 + HEADER);
  });

  it("still shows two lines of text where there is room for none", () => {
    const [field] = laidOut("CLIPTextEncode", long, {}, { height: 40 }).rows.filter((row) => row.kind === "widget");
    expect(field?.height).toBe(64);
  });

  it("keeps the room for what a run will show, and is no taller when it shows it", () => {
    const size = { width: 315, height: 270 };
    expect(rows(laidOut("SaveImage", {}, {}, size), "media")).toHaveLength(1);
    expect(laidOut("SaveImage", {}, {}, size).height).toBe(270 + HEADER);
    expect(laidOut("SaveImage", {}, { aspect: 1 }, size).height).toBe(270 + HEADER);
    expect(rows(laidOut("SaveImage", {}, {}, { width: 315, height: 58 }), "media")).toHaveLength(0);
    expect(rows(laidOut("VAEDecode", {}, {}, { width: 315, height: 270 }), "media")).toHaveLength(0);
  });

  it("grows for a picture where none was reckoned with", () => {
    const sampler = laidOut("KSampler", {}, {}, { height: 262 }).height;
    expect(laidOut("KSampler", {}, { aspect: 1 }, { height: 262 }).height).toBeGreaterThan(sampler + 200);
  });

  it("fits the picture that it loads into the room that it has", () => {
    const loads = { image: "a.png" };
    expect(laidOut("LoadImage", loads, {}, { width: 315, height: 314 }).height).toBe(314 + HEADER);
  });
});

describe("writing in a node", () => {
  const words = "many words that go over several lines of the field ".repeat(6);
  const write = (height: number | undefined, before: string, text: string) => {
    const { doc, id } = build({ n: ["CLIPTextEncode", { text: before }] });
    const sized = editNode(doc, "root", id.n as string, (node) => ({ ...node, height }));
    return writeText(sized, "root", id.n as string, { widget: "text", text }, catalogue).root.nodes.get(id.n as string);
  };

  it("makes it taller where all of its text was to be seen", () => {
    const node = write(130, "short", words);
    expect(node?.values.text).toBe(words);
    expect(node?.height).toBeGreaterThan(180);
  });

  it("leaves its height where there is room, where none was given, and where it scrolls already", () => {
    expect(write(600, "short", words)?.height).toBe(600);
    expect(write(undefined, "short", words)?.height).toBeUndefined();
    expect(write(100, words, `${words} and more`)?.height).toBe(100);
  });
});

describe("the ends of a subgraph", () => {
  it("have boxes beside what they feed and take, in a subgraph only", () => {
    const { doc, id } = textToImage();
    const given = { id: "inner", name: "Subgraph", catalogue, portId: newId };
    const [wrapped] = wrapInSubgraph(doc, "root", new Set([id.decode as string]), given);
    const around = surroundings(wrapped, "inner", catalogue);
    const inside = bounds([...around.graph.nodes.values()].map((node) => boxOf(node, around)));
    const [inputs, outputs] = endBoxes(around, "inner");
    expect((inputs?.x ?? 0) + (inputs?.width ?? 0)).toBeLessThan(inside?.x ?? 0);
    expect(outputs?.x).toBeGreaterThan((inside?.x ?? 0) + (inside?.width ?? 0));
    expect(endBoxes(around, "root")).toEqual([]);
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
