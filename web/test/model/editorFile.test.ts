import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linkInto } from "../../src/model/document";
import { BadFile, missingTypes, openEditorFile } from "../../src/model/editorFile";
import { addNode, connect } from "../../src/model/edits";
import type { JsonObject } from "../../src/model/json";
import { openText } from "../../src/model/open";
import { togglePin } from "../../src/model/pins";
import { reread } from "../../src/model/reread";
import { saveEditorFile } from "../../src/model/saveFile";
import { rounds } from "../rounds";
import { catalogue, newId, opening, textToImage } from "../support";

const open = (file: unknown) => openEditorFile(file as JsonObject, catalogue, newId);
const nodesOf = (file: JsonObject) => file.nodes as unknown as readonly JsonObject[];
const slots = (node: JsonObject | undefined, side: "inputs" | "outputs") =>
  (node?.[side] ?? []) as unknown as readonly JsonObject[];
const bytes = (file: unknown) => JSON.stringify(saveEditorFile(open(file), catalogue));

const sampler = (values: unknown, more = {}) => ({
  nodes: [
    {
      id: 3,
      type: "KSampler",
      pos: [1, 2],
      size: [315, 262],
      flags: {},
      order: 0,
      mode: 0,
      widgets_values: values,
      ...more,
    },
  ],
  links: [],
  version: 0.4,
});

describe("opening a file of the editor", () => {
  it("names the values by the schema, the seed's control after the seed", () => {
    expect(open(sampler([42, "randomize", 20, 8, "euler", "normal", 0.5])).root.nodes.get("3")?.values).toEqual({
      seed: 42,
      "seed:control": "randomize",
      steps: 20,
      cfg: 8,
      sampler_name: "euler",
      scheduler: "normal",
      denoise: 0.5,
    });
  });

  it("reads files from before there was a control", () => {
    expect(open(sampler([42, 20, 8, "euler", "normal", 0.5])).root.nodes.get("3")?.values).toMatchObject({
      seed: 42,
      steps: 20,
      denoise: 0.5,
    });
  });

  it("reads values given by name", () => {
    expect(open(sampler({ seed: 5, steps: 6 })).root.nodes.get("3")?.values).toEqual({ seed: 5, steps: 6 });
  });

  it("drops the values of forced sockets in very old files", () => {
    const file = { nodes: [{ id: 1, type: "Switch", pos: [0, 0], widgets_values: [true, 0.7, 9] }], links: [] };
    expect(open(file).root.nodes.get("1")?.values).toEqual({ on: true, count: 9 });
  });

  it("skips the slot of the upload button", () => {
    const file = {
      nodes: [{ id: 1, type: "LoadImage", pos: [0, 0], widgets_values: ["example.png", "image"] }],
      links: [],
    };
    const doc = open(file);
    expect(doc.root.nodes.get("1")?.values).toEqual({ image: "example.png" });
    expect(nodesOf(saveEditorFile(doc, catalogue))[0]?.widgets_values).toEqual(["example.png", "image"]);
  });

  it("reads positions written as objects, and class names with a stray space", () => {
    const node = open({
      nodes: [{ id: 1, type: "VAEDecode ", pos: { 0: 5, 1: 6 }, size: { 0: 210, 1: 46 } }],
      links: [],
    }).root.nodes.get("1");
    expect(node).toMatchObject({ type: "VAEDecode", x: 5, y: 6, width: 210, height: 46 });
  });

  it("reads links as tuples and as objects", () => {
    const nodes = [
      { id: 1, type: "VAEDecode", pos: [0, 0], outputs: [{ name: "IMAGE", type: "IMAGE", links: [9] }] },
      { id: 2, type: "SaveImage", pos: [0, 0], inputs: [{ name: "images", type: "IMAGE", link: 9 }] },
    ];
    const object = { id: 9, origin_id: 1, origin_slot: 0, target_id: 2, target_slot: 0, type: "IMAGE" };
    const tuple = open({ nodes, links: [[9, 1, 0, 2, 0, "IMAGE"]], version: 0.4 });
    const object1 = open({ nodes, links: [object], version: 1, state: { lastLinkId: 9, lastNodeId: 2 } });
    expect(linkInto(tuple.root, "2", "images")).toEqual(linkInto(object1.root, "2", "images"));
    expect(linkInto(tuple.root, "2", "images")).toMatchObject({ id: 9, from: "1", slot: 0 });
  });

  it("keeps the last of two links into one input, and none to nodes that are not there", () => {
    const nodes = [1, 2, 3].map((id) => ({
      id,
      type: id === 3 ? "SaveImage" : "VAEDecode",
      pos: [0, 0],
      inputs: id === 3 ? [{ name: "images", type: "IMAGE" }] : [],
    }));
    const doc = open({
      nodes,
      links: [[1, 1, 0, 3, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"], [3, 9, 0, 3, 0, "IMAGE"], null, [4]],
    });
    expect([...doc.root.links.keys()]).toEqual([2]);
  });

  it("says plainly what is not a workflow", async () => {
    await expect(openText("{}", opening)).rejects.toThrow(BadFile);
    await expect(openText("hello", opening)).rejects.toThrow(/not JSON/);
    await expect(openText("[1, 2]", opening)).rejects.toThrow(/no workflow/);
  });

  it("takes NaN for a number that is not there, as some programs write it", async () => {
    const text = '{"nodes":[{"id":1,"type":"VAEDecode","pos":[NaN,0]}],"links":[]}';
    expect((await openText(text, opening)).root.nodes.get("1")?.x).toBe(0);
  });
});

describe("what the server does not know", () => {
  const file = {
    nodes: [
      {
        id: 4,
        type: "FancyNode",
        pos: [1, 2],
        size: [300, 80],
        mode: 4,
        inputs: [{ name: "a", type: "IMAGE", link: null, odd: true }],
        outputs: [{ name: "b", type: "MASK", links: null }],
        properties: { aux_id: "someone/pack" },
        widgets_values: { deep: [1, { x: 2 }] },
        strange: "kept",
      },
    ],
    links: [],
    models: [{ name: "m" }],
    extra: { ds: { scale: 1 }, frontendVersion: "1.35.9" },
  };

  it("is named and kept to the last key", () => {
    const doc = open(file);
    expect([...missingTypes(doc, catalogue)]).toEqual([["FancyNode", 1]]);
    const saved = saveEditorFile(doc, catalogue);
    expect(saved.models).toEqual([{ name: "m" }]);
    expect(saved.extra).toEqual(file.extra);
    expect(nodesOf(saved)[0]).toMatchObject(file.nodes[0] as object);
  });
});

describe("saving", () => {
  it("is a fixed point: open, save, open, save gives the same bytes", () => {
    const once = bytes(sampler([42, "fixed", 20, 8, "euler", "normal", 0.5, "surplus"]));
    expect(bytes(JSON.parse(once))).toBe(once);
  });

  it("drops what depended on a link to a socket that is not there", () => {
    const nodes = [
      { id: 6, type: "Note", pos: [0, 0], inputs: [{ name: "images", type: "IMAGE", link: null }] },
      { id: 9, type: "Reroute", pos: [0, 0] },
    ];
    const once = bytes({ id: "x", nodes, links: [[1, 9, 0, 6, 0, "IMAGE"]] });
    expect(bytes(JSON.parse(once))).toBe(once);
  });

  it("is a fixed point for whatever a file may hold", () => {
    const node = fc.record({
      id: fc.nat(30),
      type: fc.constantFrom(...catalogue.keys(), "Reroute", "Note", "PrimitiveNode", "Nothing"),
      pos: fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()),
      mode: fc.constantFrom(0, 2, 4, 9),
      flags: fc.constantFrom({}, { collapsed: true }, { pinned: true }),
      inputs: fc.array(
        fc.record({
          name: fc.constantFrom("images", "clip", "odd"),
          type: fc.constantFrom("IMAGE", "CLIP", "*"),
          link: fc.constant(null),
        }),
        { maxLength: 3 },
      ),
      widgets_values: fc.oneof(fc.array(fc.jsonValue(), { maxLength: 9 }), fc.constant(undefined), fc.constant(null)),
      title: fc.option(fc.string(), { nil: undefined }),
    });
    const link = fc.tuple(fc.nat(50), fc.nat(30), fc.nat(2), fc.nat(30), fc.nat(2), fc.constantFrom("IMAGE", "*", -1));
    const file = fc.record({ nodes: fc.array(node, { maxLength: 12 }), links: fc.array(link, { maxLength: 12 }) });
    fc.assert(
      fc.property(file, (one) => {
        const once = bytes({ id: "x", ...JSON.parse(JSON.stringify(one)) });
        expect(bytes(JSON.parse(once))).toBe(once);
      }),
      rounds(300),
    );
  });

  it("writes what ComfyUI reads: slots by number, values by position, links both ways", () => {
    const { doc, id } = textToImage();
    const saved = saveEditorFile(doc, catalogue);
    const node = nodesOf(saved).find((one) => one.id === Number(id.sampler));
    expect(saved.version).toBe(0.4);
    expect(node?.widgets_values).toEqual([7, "randomize", 4, 8, "euler", "simple", 1]);
    expect(
      slots(node, "inputs")
        .map((one) => one.name)
        .slice(0, 5),
    ).toEqual(["model", "positive", "negative", "latent_image", "seed"]);
    expect(slots(node, "inputs")[4]).toMatchObject({ widget: { name: "seed" }, link: null });
    const links = saved.links as unknown as number[][];
    expect(links).toContainEqual([1, Number(id.model), 0, Number(id.sampler), 0, "MODEL"]);
    expect(slots(node, "outputs")[0]).toMatchObject({ name: "LATENT", links: [7] });
  });

  it("keeps the form in the file", () => {
    const { doc, id } = textToImage();
    const pinned = togglePin(doc, id.sampler as string, "seed");
    const again = open(JSON.parse(JSON.stringify(saveEditorFile(pinned, catalogue))));
    expect(again.form).toEqual([{ node: id.sampler, widget: "seed" }]);
  });

  it("forgets the decoration of a link that is gone", () => {
    const [doc] = addNode(
      open({ nodes: [], links: [], extra: { linkExtensions: [{ id: 1, parentId: 1 }] } }),
      "root",
      "VAEDecode",
      { x: 0, y: 0 },
    );
    expect(saveEditorFile(doc, catalogue).extra).toEqual({ linkExtensions: [] });
  });
});

describe("subgraphs in files", () => {
  const inner = {
    id: "def-1",
    version: 1,
    revision: 0,
    name: "Encode",
    state: { lastNodeId: 2, lastLinkId: 4, lastGroupId: 0, lastRerouteId: 0 },
    inputNode: { id: -10, bounding: [0, 0, 120, 60] },
    outputNode: { id: -20, bounding: [500, 0, 120, 60] },
    inputs: [
      { id: "in-clip", name: "clip", type: "CLIP", linkIds: [1], pos: [1, 2] },
      { id: "in-text", name: "text", type: "STRING", linkIds: [2] },
    ],
    outputs: [{ id: "out-c", name: "CONDITIONING", type: "CONDITIONING", linkIds: [3] }],
    widgets: [],
    nodes: [
      {
        id: 1,
        type: "CLIPTextEncode",
        pos: [200, 0],
        inputs: [
          { name: "clip", type: "CLIP", link: 1 },
          { name: "text", type: "STRING", widget: { name: "text" }, link: 2 },
        ],
        outputs: [{ name: "CONDITIONING", type: "CONDITIONING", links: [3] }],
        widgets_values: ["inner words"],
      },
    ],
    groups: [],
    links: [
      { id: 1, origin_id: -10, origin_slot: 0, target_id: 1, target_slot: 0, type: "CLIP" },
      { id: 2, origin_id: -10, origin_slot: 1, target_id: 1, target_slot: 1, type: "STRING" },
      { id: 3, origin_id: 1, origin_slot: 0, target_id: -20, target_slot: 0, type: "CONDITIONING" },
    ],
    extra: { note: "kept" },
    category: "mine",
  };
  const file = {
    id: "top",
    nodes: [
      {
        id: 5,
        type: "def-1",
        pos: [0, 0],
        inputs: [{ name: "clip", type: "CLIP", link: null }],
        outputs: [{ name: "CONDITIONING", type: "CONDITIONING", links: null }],
        properties: { proxyWidgets: [["-1", "text"]] },
        widgets_values: ["outer words"],
      },
    ],
    links: [],
    definitions: { subgraphs: [inner] },
    version: 0.4,
  };

  it("round-trip", () => {
    const once = bytes(file);
    expect(bytes(JSON.parse(once))).toBe(once);
    const definition = (JSON.parse(once).definitions.subgraphs as JsonObject[])[0];
    expect(definition).toMatchObject({ category: "mine", extra: { note: "kept" }, name: "Encode" });
    expect(definition?.links).toEqual(inner.links);
  });

  it("hold their instance's values", () => {
    const node = open(file).root.nodes.get("5");
    expect(node?.values).toEqual({ text: "outer words" });
  });

  it("can be linked from outside by name", () => {
    const doc = open(file);
    const [added, id] = addNode(doc, "root", "CheckpointLoaderSimple", { x: 0, y: 0 });
    const linked = connect(added, "root", { from: id, slot: 1, to: "5", input: "clip", type: "CLIP" });
    const saved = JSON.parse(JSON.stringify(saveEditorFile(linked, catalogue)));
    expect(linkInto(open(saved).root, "5", "clip")).toMatchObject({ from: id });
  });
});

describe("a document whose server gets other nodes", () => {
  const bare = new Map([...catalogue].filter(([type]) => type !== "KSampler"));
  const file = sampler([42, "randomize", 20, 8, "euler", "normal", 0.5]) as unknown as JsonObject;

  it("has the values of a class that came, by their names", () => {
    const unknown = openEditorFile(file, bare, newId);
    expect([...missingTypes(unknown, bare)]).toEqual([["KSampler", 1]]);
    const known = reread(unknown, bare, catalogue);
    expect(known.root.nodes.get("3")?.values).toMatchObject({ seed: 42, "seed:control": "randomize", denoise: 0.5 });
  });

  it("keeps the values of a class that went", () => {
    const gone = reread(openEditorFile(file, catalogue, newId), catalogue, bare);
    const saved = saveEditorFile(gone, bare);
    expect(nodesOf(saved)[0]?.widgets_values).toEqual([42, "randomize", 20, 8, "euler", "normal", 0.5]);
    const back = reread(gone, bare, catalogue);
    expect(back.root.nodes.get("3")?.values).toMatchObject({ seed: 42, steps: 20 });
  });

  it("is the same where none of its classes came or went", () => {
    const { doc } = textToImage();
    expect(reread(doc, catalogue, new Map([...catalogue, ["Other", [...catalogue.values()][0] as never]]))).toBe(doc);
  });
});
