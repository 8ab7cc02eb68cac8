import { describe, expect, it } from "vitest";
import { type Doc, graphOf, linkInto, linksOutOf } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { connect, setValue, surroundings } from "../../src/model/edits";
import type { JsonObject } from "../../src/model/json";
import { addPort, isExposed, removePort, renamePort, toggleExposed } from "../../src/model/ports";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { shapeOf, widgetValue } from "../../src/model/shape";
import { wrapInSubgraph } from "../../src/model/wrapping";
import { catalogue, newId, options, textToImage } from "../support";

/** Text to image with the two text encoders in a subgraph: clip in, two conditionings out. */
function wrapped() {
  const { doc, id } = textToImage();
  const given = { id: "sub", name: "Prompts", catalogue, portId: newId };
  const inside = new Set([id.positive as string, id.negative as string]);
  const [next, instance] = wrapInSubgraph(doc, "root", inside, given);
  return { doc: next, id, instance: instance as string };
}

const ports = (doc: Doc, side: "inputs" | "outputs") => doc.subgraphs.get("sub")?.[side] ?? [];
const instanceShape = (doc: Doc, instance: string) => {
  const around = surroundings(doc, "root", catalogue);
  const node = around.graph.nodes.get(instance);
  if (!node) throw new Error("no instance");
  return { node, shape: shapeOf(node, around), around };
};
const reopened = (doc: Doc): Doc =>
  openEditorFile(JSON.parse(JSON.stringify(saveEditorFile(doc, catalogue))) as JsonObject, catalogue, newId);

describe("the sockets of a subgraph", () => {
  it("are called something else without losing a link, in a file too", () => {
    const { doc, instance } = wrapped();
    const [clip] = ports(doc, "inputs");
    const renamed = reopened(renamePort(doc, "sub", "in", clip?.id ?? "", "  words "));
    expect(instanceShape(renamed, instance).shape.inputs[0]).toMatchObject({ name: "clip", label: "words" });
    expect(linkInto(renamed.root, instance, "clip")).toBeDefined();
    const plain = renamePort(renamed, "sub", "in", clip?.id ?? "", "");
    expect(ports(plain, "inputs")[0]).not.toHaveProperty("label");
  });

  it("are taken away with their links, and those after them move up", () => {
    const { doc, id, instance } = wrapped();
    const [first, second] = ports(doc, "outputs");
    const less = removePort(doc, "sub", "out", first?.id ?? "");
    expect(ports(less, "outputs")).toEqual([second]);
    expect(linkInto(less.root, id.sampler as string, "positive")).toBeUndefined();
    expect(linkInto(less.root, id.sampler as string, "negative")).toMatchObject({ from: instance, slot: 0 });
    expect(linksOutOf(graphOf(less, "sub"), id.positive as string)).toEqual([]);
    const prompt = toPrompt(less, options);
    expect(prompt[id.sampler as string]?.inputs.negative).toEqual([`${instance}:${id.negative}`, 0]);
    const none = removePort(less, "sub", "in", ports(less, "inputs")[0]?.id ?? "");
    expect(linkInto(none.root, instance, "clip")).toBeUndefined();
    expect(linkInto(graphOf(none, "sub"), id.positive as string, "clip")).toBeUndefined();
  });

  it("are taken away with the values of every instance", () => {
    const { doc, id, instance } = wrapped();
    const inner = { node: id.positive as string, input: "text", type: "STRING", name: "text" };
    const grown = addPort(doc, "sub", "in", inner, "p-text");
    const set = setValue(grown, "root", instance, "text", "a boat");
    const listed = toggleExposed(set, "root", instance, { node: id.negative as string, widget: "text" }, catalogue);
    const less = removePort(listed, "sub", "in", "p-text");
    const { node, shape } = instanceShape(less, instance);
    expect(node.values).toEqual({});
    expect(shape.widgets.map((one) => one.name)).toEqual([`${id.negative}:text`]);
  });

  it("are unknown: nothing changes", () => {
    const { doc } = wrapped();
    expect(removePort(doc, "sub", "in", "no such")).toBe(doc);
    expect(removePort(doc, "nowhere", "in", "p")).toBe(doc);
  });
});

describe("the inner widgets that a subgraph shows", () => {
  it("are shown, set from outside, saved, and hidden again", () => {
    const { doc, id, instance } = wrapped();
    const exposed = { node: id.positive as string, widget: "text" };
    const shown = toggleExposed(doc, "root", instance, exposed, catalogue);
    const name = `${id.positive}:text`;
    const set = reopened(setValue(shown, "root", instance, name, "a boat"));
    const { node, shape, around } = instanceShape(set, instance);
    expect(isExposed(node, exposed.node, "text")).toBe(true);
    const widget = shape.widgets.find((one) => one.name === name);
    expect(widget && widgetValue(node, widget, around)).toBe("a boat");
    expect(toPrompt(set, options)[`${instance}:${id.positive}`]?.inputs.text).toBe("a boat");
    const hidden = toggleExposed(set, "root", instance, exposed, catalogue);
    expect(instanceShape(hidden, instance).shape.widgets).toEqual([]);
  });

  it("do not cost the widgets of sockets their values", () => {
    const { doc, id, instance } = wrapped();
    const inner = { node: id.positive as string, input: "text", type: "STRING", name: "text" };
    const before = setValue(addPort(doc, "sub", "in", inner, "p1"), "root", instance, "text", "kept");
    const exposed = toggleExposed(before, "root", instance, { node: id.negative as string, widget: "text" }, catalogue);
    expect(instanceShape(reopened(exposed), instance).node.values).toEqual({ text: "kept" });
    // A socket that comes after the list was made is not in it.
    const listed = toggleExposed(doc, "root", instance, { node: id.negative as string, widget: "text" }, catalogue);
    const after = setValue(addPort(listed, "sub", "in", inner, "p2"), "root", instance, "text", "late");
    expect(instanceShape(reopened(after), instance).node.values).toEqual({ text: "late" });
    const text = JSON.stringify(saveEditorFile(after, catalogue));
    expect(JSON.stringify(saveEditorFile(reopened(after), catalogue))).toBe(text);
  });

  it("come through a subgraph in a subgraph", () => {
    const { doc, id, instance } = wrapped();
    const [twice, outer] = wrapInSubgraph(doc, "root", new Set([instance]), {
      id: "outer",
      name: "Outer",
      catalogue,
      portId: newId,
    });
    const shown = toggleExposed(twice, "outer", instance, { node: id.positive as string, widget: "text" }, catalogue);
    const inner = { node: instance, widget: `${id.positive}:text` };
    const through = toggleExposed(shown, "root", outer as string, inner, catalogue);
    const set = reopened(setValue(through, "root", outer as string, `${instance}:${id.positive}:text`, "deep"));
    expect(toPrompt(set, options)[`${outer}:${instance}:${id.positive}`]?.inputs.text).toBe("deep");
    expect(instanceShape(set, outer as string).shape.widgets.map((one) => one.label)).toEqual(["text"]);
  });
});

describe("a subgraph used twice", () => {
  it("loses a socket at both places", () => {
    const { doc, id, instance } = wrapped();
    const first = doc.root.nodes.get(instance);
    if (!first) throw new Error("no instance");
    const nodes = new Map(doc.root.nodes).set("99", { ...first, id: "99" });
    const two = { ...doc, root: { ...doc.root, nodes, lastNode: 99 } };
    const model = { from: id.model as string, slot: 1, to: "99", input: "clip", type: "CLIP" };
    const less = removePort(connect(two, "root", model), "sub", "in", ports(doc, "inputs")[0]?.id ?? "");
    expect([linkInto(less.root, instance, "clip"), linkInto(less.root, "99", "clip")]).toEqual([undefined, undefined]);
  });
});
