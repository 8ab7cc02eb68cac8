import { describe, expect, it } from "vitest";
import { copyPart, paste } from "../../src/model/clip";
import { type Doc, linkInto, linksInto } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { disconnect } from "../../src/model/edits";
import type { JsonObject } from "../../src/model/json";
import { toPrompt } from "../../src/model/prompt";
import { dotsOf, dotsOn, dotsToNodes, moveDots, removeDots } from "../../src/model/reroutes";
import { saveEditorFile } from "../../src/model/saveFile";
import { unwrapSubgraph } from "../../src/model/subgraphs";
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

  it("they stay behind when the nodes leave it", () => {
    const doc = open(whole);
    const [out] = unwrapSubgraph(doc, "root", "9", catalogue);
    expect([...out.root.links.values()].map((link) => link.rest)).toEqual([{}, {}]);
    const clip = copyPart(doc, "sub", { nodes: new Set(["1", "2"]), frames: new Set() });
    const [
      pasted,
      {
        nodes: [, copy],
      },
    ] = paste(doc, "root", clip, { x: 0, y: 0 });
    expect(linksInto(pasted.root, copy as string)[0]?.rest).toEqual({});
  });
});
