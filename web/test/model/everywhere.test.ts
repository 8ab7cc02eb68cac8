import { describe, expect, it } from "vitest";
import { type Doc, graphOf, linkInto, ROOT } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { connect, disconnect, removeNodes } from "../../src/model/edits";
import { fedNames, feeding } from "../../src/model/everywhere";
import type { Json, JsonObject } from "../../src/model/json";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { unwrapSubgraph, wrapInSubgraph } from "../../src/model/wrapping";
import { catalogue, newId, options } from "../support";

const node = (id: number, type: string, more: object = {}) => ({ id, type, pos: [id * 300, 0], ...more });
const clip = { name: "clip", type: "CLIP", link: null };
const text = { name: "text", type: "STRING", link: null, widget: { name: "text" } };
const loader = node(1, "CheckpointLoaderSimple", { widgets_values: ["starter.safetensors"] });
const sender = node(9, "Anything Everywhere", { inputs: [{ name: "anything", type: "CLIP", link: 1 }] });
const found = (downstream: number, slot: number, more: object = {}) => ({
  downstream,
  downstream_slot: slot,
  upstream: "1",
  upstream_slot: 1,
  controller: 9,
  type: "CLIP",
  ...more,
});

/** Words whose text encoder comes from everywhere; the field stands before the socket, as newer files have it not. */
const file = (list: Json = [found(2, 1)]) => ({
  nodes: [loader, node(2, "CLIPTextEncode", { inputs: [text, clip], widgets_values: ["ink"] }), sender],
  links: [[1, 1, 1, 9, 0, "CLIP"]],
  extra: { before: 1, ue_links: list, after: 2 },
});
const open = (given: unknown) => openEditorFile(given as JsonObject, catalogue, newId);
const save = (doc: Doc) => saveEditorFile(doc, catalogue);
const listIn = (doc: Doc) => (save(doc).extra as JsonObject).ue_links as unknown as JsonObject[];
const sent = (doc: Doc) => toPrompt(doc, { ...options, catalogue });
const clipOf = (doc: Doc, id = "2") => sent(doc)[id]?.inputs.clip;

describe("links from everywhere", () => {
  it("are sent as links, and no node is sent for them", () => {
    expect(clipOf(open(file()))).toEqual(["1", 1]);
    expect(Object.keys(sent(open(file())))).toEqual(["1", "2"]);
  });

  it("feed an input that looks linked, but is none of the document's links", () => {
    const { root } = open(file());
    expect(fedNames(root, "2")).toEqual(["clip"]);
    expect(feeding(root, "2", "clip")).toMatchObject({ from: "1", slot: 1 });
    expect(root.links.size).toBe(1);
  });

  it("are written with the places that the inputs have then, and the rest of the list as it was", () => {
    const doc = open(file());
    expect(listIn(doc)).toEqual([found(2, 0)]);
    expect(Object.keys(save(doc).extra as JsonObject)).toEqual(["before", "ue_links", "after"]);
    const again = open(JSON.parse(JSON.stringify(save(doc))));
    expect(save(again)).toEqual(save(doc));
    expect(clipOf(again)).toEqual(["1", 1]);
  });

  it("give way to an input's own link", () => {
    const doc = connect(open(file()), ROOT, { from: "1", slot: 2, to: "2", input: "clip", type: "CLIP" });
    expect(clipOf(doc)).toEqual(["1", 2]);
    expect(fedNames(doc.root, "2")).toEqual(["clip"]);
  });

  it("follow what their sender is given", () => {
    const more = { ...file(), nodes: [...file().nodes, { ...loader, id: 5 }] };
    const other = connect(open(more), ROOT, { from: "5", slot: 1, to: "9", input: "anything", type: "CLIP" });
    expect(clipOf(other)).toEqual(["5", 1]);
    expect(listIn(other)).toEqual([found(2, 0, { upstream: "5" })]);
    expect(clipOf(disconnect(open(more), ROOT, [1]))).toBeUndefined();
  });

  it("go with the nodes at their ends, and with their sender", () => {
    for (const gone of ["1", "2", "9"]) {
      const doc = removeNodes(open(file()), ROOT, [gone]);
      expect(clipOf(doc)).toBeUndefined();
      expect(listIn(doc)).toEqual([]);
    }
  });

  it.each([
    ["a seed holder", [{ ...found(2, 1), controller: 1 }], ["1", 1]],
    ["a sender that is not there", [{ ...found(2, 1), controller: 77 }], ["1", 1]],
    ["nothing", [], undefined],
    ["what makes no sense", [null, 3, {}, { downstream: [], upstream: {} }, found(2, 99), found(8, 0)], undefined],
    ["no list", "none", undefined],
  ])("may be of %s", (_, list, wanted) => {
    expect(clipOf(open(file(list as Json)))).toEqual(wanted);
    const once = save(open(file(list as Json)));
    expect(save(open(JSON.parse(JSON.stringify(once))))).toEqual(once);
  });
});

describe("a subgraph of nodes with links from everywhere", () => {
  const given = () => ({ id: "sub", name: "Part", catalogue, portId: newId });

  it("gets a socket for what comes from outside, and the nodes are fed the same when it is unpacked", () => {
    const [wrapped, id] = wrapInSubgraph(open(file()), ROOT, new Set(["2"]), given());
    expect(sent(wrapped)[`${id}:2`]?.inputs.clip).toEqual(["1", 1]);
    expect(linkInto(wrapped.root, id as string, "clip")).toMatchObject({ from: "1", slot: 1 });
    const [back, [made]] = unwrapSubgraph(wrapped, ROOT, id as string, catalogue);
    expect(clipOf(back, made)).toEqual(["1", 1]);
  });

  it("keeps what stays inside, in its file too", () => {
    const [wrapped, id] = wrapInSubgraph(open(file()), ROOT, new Set(["1", "2", "9"]), given());
    expect(listIn(wrapped)).toEqual([]);
    expect(graphOf(wrapped, "sub").everywhere).toHaveLength(1);
    const again = open(JSON.parse(JSON.stringify(save(wrapped))));
    for (const doc of [wrapped, again]) expect(sent(doc)[`${id}:2`]?.inputs.clip).toEqual([`${id}:1`, 1]);
    const [back, made] = unwrapSubgraph(wrapped, ROOT, id as string, catalogue);
    expect(clipOf(back, made[1])).toEqual([made[0], 1]);
  });
});
