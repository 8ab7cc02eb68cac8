import { describe, expect, it } from "vitest";
import { copyPart, paste } from "../../src/model/clip";
import { type Doc, linkInto, linksInto } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { disconnect, moveNodes } from "../../src/model/edits";
import type { JsonObject } from "../../src/model/json";
import { toPrompt } from "../../src/model/prompt";
import { dotsOf, dotsOn, dotsToNodes, moveDots, removeDots } from "../../src/model/reroutes";
import { saveEditorFile } from "../../src/model/saveFile";
import { unwrapSubgraph, wrapInSubgraph } from "../../src/model/wrapping";
import { catalogue, newId, options } from "../support";

const nodes = [
  { id: 1, type: "VAEDecode", pos: [0, 0], outputs: [{ name: "IMAGE", type: "IMAGE", links: [5, 6] }] },
  { id: 2, type: "SaveImage", pos: [600, 0], inputs: [{ name: "images", type: "IMAGE", link: 5 }] },
  { id: 3, type: "SaveImage", pos: [600, 300], inputs: [{ name: "images", type: "IMAGE", link: 6 }] },
];
const reroutes = [
  { id: 7, pos: [300, 40], linkIds: [5, 6] },
  { id: 8, parentId: 7, pos: [400, 200], linkIds: [6], odd: "kept" },
];
const file = {
  id: "f",
  nodes,
  links: [
    [5, 1, 0, 2, 0, "IMAGE"],
    [6, 1, 0, 3, 0, "IMAGE"],
  ],
  extra: {
    reroutes,
    linkExtensions: [
      { id: 5, parentId: 7 },
      { id: 6, parentId: 8 },
    ],
  },
  version: 0.4,
};
const open = (value: unknown) => openEditorFile(JSON.parse(JSON.stringify(value)) as JsonObject, catalogue, newId);
const saved = (doc: Doc) => JSON.parse(JSON.stringify(saveEditorFile(doc, catalogue)));
const way = (doc: Doc, link: number, at = "root") => {
  const graph = at === "root" ? doc.root : doc.subgraphs.get(at)?.graph;
  const one = graph?.links.get(link);
  return one ? dotsOn(doc, at, one).map((dot) => dot.id) : undefined;
};

describe("the points of links", () => {
  it("lead each link in order, and are written as they were read", () => {
    const doc = open(file);
    expect([way(doc, 5), way(doc, 6)]).toEqual([[7], [7, 8]]);
    expect(saved(doc).extra).toEqual(file.extra);
  });

  it("are read from version 1, and written where 0.4 has them", () => {
    const links = file.links.map(([id, origin_id, origin_slot, target_id, target_slot, type], i) => ({
      ...{ id, origin_id, origin_slot, target_id, target_slot, type },
      parentId: i ? 8 : 7,
    }));
    const doc = open({ ...file, links, reroutes, extra: {}, version: 1 });
    expect(way(doc, 6)).toEqual([7, 8]);
    expect(saved(doc).extra).toEqual(file.extra);
    expect(saved(doc)).not.toHaveProperty("reroutes");
  });

  it("move, and only they change", () => {
    const moved = moveDots(open(file), "root", new Map([[8, { x: 1, y: 2 }]]));
    expect(dotsOf(moved, "root").get(8)).toMatchObject({ x: 1, y: 2 });
    expect(saved(moved).extra.reroutes).toEqual([reroutes[0], { ...reroutes[1], pos: [1, 2] }]);
  });

  it("are taken away, and the links go on from the point before", () => {
    const doc = open(file);
    const less = removeDots(doc, "root", new Set([7]));
    expect([way(less, 5), way(less, 6)]).toEqual([[], [8]]);
    expect(saved(less).extra.linkExtensions).toEqual([{ id: 6, parentId: 8 }]);
    expect(way(removeDots(doc, "root", new Set([8])), 6)).toEqual([7]);
    expect(way(removeDots(doc, "root", new Set([7, 8])), 6)).toEqual([]);
  });

  it("become nodes through which the same flows", () => {
    const doc = open(file);
    const made = dotsToNodes(doc, "root");
    expect([...made.root.nodes.values()].filter((node) => node.type === "Reroute")).toHaveLength(2);
    expect(dotsOf(made, "root").size).toBe(0);
    expect(toPrompt(made, options)).toEqual(toPrompt(doc, options));
    expect(linkInto(made.root, "2", "images")?.from).not.toBe("1");
  });

  it("go with their links", () => {
    const extra = saved(disconnect(open(file), "root", [6])).extra;
    expect(extra.reroutes).toEqual([{ ...reroutes[0], linkIds: [5] }]);
    expect(extra.linkExtensions).toEqual([{ id: 5, parentId: 7 }]);
  });

  it("that go round in a circle or are not there lead nothing astray", () => {
    const circle = open({
      ...file,
      extra: { ...file.extra, reroutes: [{ ...reroutes[0], parentId: 8 }, reroutes[1]] },
    });
    expect(way(circle, 6)?.length).toBeLessThanOrEqual(3);
    const gone = open({ ...file, extra: { ...file.extra, reroutes: [reroutes[1]] } });
    expect(way(gone, 5)).toEqual([]);
  });
});

describe("in a subgraph", () => {
  const inner = {
    id: "sub",
    version: 1,
    name: "S",
    inputs: [],
    outputs: [],
    nodes,
    links: file.links.map(([id, origin_id, origin_slot, target_id, target_slot, type], i) => ({
      ...{ id, origin_id, origin_slot, target_id, target_slot, type },
      parentId: i ? 8 : 7,
    })),
    reroutes,
  };
  const whole = { nodes: [{ id: 9, type: "sub", pos: [0, 0] }], links: [], definitions: { subgraphs: [inner] } };

  it("they are drawn, moved and kept as well", () => {
    const doc = open(whole);
    expect(way(doc, 6, "sub")).toEqual([7, 8]);
    expect(saved(doc).definitions.subgraphs[0]).toMatchObject({ reroutes, links: inner.links });
    const less = removeDots(moveDots(doc, "sub", new Map([[7, { x: 5, y: 5 }]])), "sub", new Set([8]));
    expect(way(less, 6, "sub")).toEqual([7]);
    expect(saved(less).definitions.subgraphs[0].reroutes).toEqual([{ ...reroutes[0], pos: [5, 5] }]);
  });

  it("they go with the nodes that leave it, and stay behind in what is copied", () => {
    const doc = open(whole);
    const [out] = unwrapSubgraph(doc, "root", "9", catalogue);
    expect([...out.root.links.keys()].map((link) => way(out, link))).toEqual([[7], [7, 8]]);
    const clip = copyPart(doc, "sub", { nodes: new Set(["1", "2"]), frames: new Set() });
    const [
      pasted,
      {
        nodes: [, copy],
      },
    ] = paste(doc, "root", clip, { x: 0, y: 0 });
    expect(linksInto(pasted.root, copy as string)[0]?.rest).toEqual({});
    expect(dotsOf(pasted, "root").size).toBe(0);
  });
});

describe("making a subgraph", () => {
  const given = () => ({ id: "sub", name: "Part", catalogue, portId: newId });
  const wrap = (doc: Doc, ids: readonly string[], at = "root") => {
    const [made, id] = wrapInSubgraph(doc, at, new Set(ids), given());
    return [made, id as string] as const;
  };
  /** The places of the dots on the link into an input. */
  const places = (doc: Doc, at: string, node: string, input: string) => {
    const link = linkInto(at === "root" ? doc.root : (doc.subgraphs.get(at)?.graph ?? doc.root), node, input);
    return link && dotsOn(doc, at, link).map(({ x, y }) => [x, y]);
  };
  const again = (doc: Doc) => open(saved(doc));

  it("takes those of links that go in with it", () => {
    const [doc, id] = wrap(open(file), ["1", "2", "3"]);
    for (const one of [doc, again(doc)]) {
      expect([way(one, 5, "sub"), way(one, 6, "sub")]).toEqual([[7], [7, 8]]);
      expect(one.subgraphs.get("sub")?.rest.reroutes).toEqual([
        { id: 7, pos: [300, 40], linkIds: [5, 6] },
        { id: 8, pos: [400, 200], odd: "kept", parentId: 7, linkIds: [6] },
      ]);
    }
    expect(saved(doc).extra).toEqual({ reroutes: [], linkExtensions: [] });
    const [back, [, two, three]] = unwrapSubgraph(again(doc), "root", id, catalogue);
    for (const one of [back, again(back)]) {
      expect(places(one, "root", two as string, "images")).toEqual([[300, 40]]);
      expect(places(one, "root", three as string, "images")).toEqual([
        [300, 40],
        [400, 200],
      ]);
    }
  });

  it("keeps outside what links into it share, and takes what each has alone", () => {
    const [doc, id] = wrap(open(file), ["2", "3"]);
    for (const one of [doc, again(doc)]) {
      expect(places(one, "root", id, "images")).toEqual([[300, 40]]);
      expect(places(one, "sub", "2", "images")).toEqual([]);
      expect(places(one, "sub", "3", "images")).toEqual([[400, 200]]);
    }
    const [back, [two, three]] = unwrapSubgraph(again(doc), "root", id, catalogue);
    expect(places(back, "root", two as string, "images")).toEqual([[300, 40]]);
    expect(places(back, "root", three as string, "images")).toEqual([
      [300, 40],
      [400, 200],
    ]);
  });

  it("keeps outside what links have that leave it", () => {
    const [doc, id] = wrap(open(file), ["1"]);
    for (const one of [doc, again(doc)]) {
      expect(places(one, "root", "2", "images")).toEqual([[300, 40]]);
      expect(places(one, "root", "3", "images")).toEqual([
        [300, 40],
        [400, 200],
      ]);
    }
    const [back] = unwrapSubgraph(moveDots(doc, "root", new Map([[7, { x: 1, y: 1 }]])), "root", id, catalogue);
    expect(places(again(back), "root", "3", "images")).toEqual([
      [1, 1],
      [400, 200],
    ]);
  });

  it("moves what is inside with the nodes when it is unpacked elsewhere, under ids that are free", () => {
    const [doc, id] = wrap(open(file), ["1", "2", "3"]);
    const placed = moveNodes(doc, "root", new Map([[id, { x: 1000, y: 32 }]]));
    const other = { ...placed, extra: { ...placed.extra, reroutes: [{ id: 7, pos: [9, 9], linkIds: [] }] } };
    const [back, [one, , three]] = unwrapSubgraph(other, "root", id, catalogue);
    const shift = (back.root.nodes.get(one as string)?.x ?? 0) - 0;
    const down = (back.root.nodes.get(one as string)?.y ?? 0) - 0;
    expect(places(back, "root", three as string, "images")).toEqual([
      [300 + shift, 40 + down],
      [400 + shift, 200 + down],
    ]);
    expect(dotsOf(back, "root").get(7)).toMatchObject({ x: 9, y: 9 });
  });

  it("does the same one level down", () => {
    const [doc] = wrap(open(file), ["1", "2", "3"]);
    const [deep, id] = wrapInSubgraph(doc, "sub", new Set(["2", "3"]), { ...given(), id: "deep" });
    expect(places(again(deep), "sub", id as string, "images")).toEqual([[300, 40]]);
    expect(places(again(deep), "deep", "3", "images")).toEqual([[400, 200]]);
    const [back, [, three]] = unwrapSubgraph(again(deep), "sub", id as string, catalogue);
    expect(places(again(back), "sub", three as string, "images")).toEqual([
      [300, 40],
      [400, 200],
    ]);
  });
});
