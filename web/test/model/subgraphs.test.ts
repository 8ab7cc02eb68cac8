import { describe, expect, it } from "vitest";
import { afterRun } from "../../src/model/afterRun";
import { copyPart, paste } from "../../src/model/clip";
import { type Doc, GRAPH_INPUT, type GraphNode, graphOf, linkInto, ROOT } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { addFrame, addReroute, removeNodes, setValue, surroundings } from "../../src/model/edits";
import type { JsonObject } from "../../src/model/json";
import { togglePin } from "../../src/model/pins";
import { addPort, toggleExposed } from "../../src/model/ports";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { controlOf, shapeOf, widgetValue } from "../../src/model/shape";
import { alone, clashing, instancesOf, renameSubgraph, separate, withNewIds } from "../../src/model/subgraphs";
import { unwrapSubgraph, wrapInSubgraph } from "../../src/model/wrapping";
import { catalogue, newId, options, textToImage } from "../support";

/** Text to image with its sampler in a subgraph. */
function wrapped(more: { doc?: Doc; frames?: ReadonlySet<number> } = {}) {
  const { doc, id } = textToImage();
  const given = { id: "sub", name: "Sampling", catalogue, portId: newId, frames: more.frames };
  const [next, instance] = wrapInSubgraph(more.doc ?? doc, ROOT, new Set([id.sampler as string]), given);
  return { doc: next, instance: instance as string, sampler: id.sampler as string };
}

/** The same with a second node of the subgraph, and a widget of the sampler that both show. */
function shared() {
  const { doc, instance, sampler } = wrapped();
  const shown = toggleExposed(doc, ROOT, instance, { node: sampler, widget: "steps" }, catalogue);
  const part = copyPart(shown, ROOT, { nodes: new Set([instance]), frames: new Set() });
  const [twice, { nodes }] = paste(shown, ROOT, part, { x: 0, y: 300 }, true);
  return { doc: twice, instance, second: nodes[0] as string, sampler, steps: `${sampler}:steps` };
}

const at = (doc: Doc, id: string) => graphOf(doc, ROOT).nodes.get(id) as GraphNode;
const reopened = (doc: Doc) =>
  openEditorFile(JSON.parse(JSON.stringify(saveEditorFile(doc, catalogue))) as JsonObject, catalogue, newId);
const seen = (doc: Doc, id: string, name: string) => {
  const around = surroundings(doc, ROOT, catalogue);
  const widget = shapeOf(at(doc, id), around).widgets.find((one) => one.name === name);
  return widget && { value: widgetValue(at(doc, id), widget, around), follows: controlOf(at(doc, id), widget) };
};

describe("a subgraph", () => {
  it("does not feed itself when the node between its parts is taken out", () => {
    const { doc, id } = textToImage();
    const [sampler, latent] = [id.sampler as string, id.latent as string];
    const fed = linkInto(graphOf(doc, ROOT), sampler, "latent_image")?.id as number;
    const [through, reroute] = addReroute(doc, ROOT, fed, { x: 0, y: 0 });
    const given = { id: "sub", name: "Sampling", catalogue, portId: newId };
    const [around, instance] = wrapInSubgraph(through, ROOT, new Set([sampler, latent]), given);
    const links = [...graphOf(removeNodes(around, ROOT, [reroute], true), ROOT).links.values()];
    expect(links.filter((link) => link.from === instance).map((link) => link.to)).not.toContain(instance);
  });

  it("takes the pins of its nodes along, and gives them back", () => {
    const { doc, id } = textToImage();
    const pinned = togglePin(doc, id.sampler as string, "steps");
    const inside = wrapped({ doc: pinned });
    expect(inside.doc.form).toEqual([{ node: `${inside.instance}:${inside.sampler}`, widget: "steps" }]);
    const [back, [sampler]] = unwrapSubgraph(inside.doc, ROOT, inside.instance, catalogue);
    expect(back.form).toEqual([{ node: sampler, widget: "steps" }]);
  });

  it("takes frames along, and gives them back", () => {
    const [framed, frame] = addFrame(textToImage().doc, ROOT, { x: 0, y: 0, width: 400, height: 300 }, "Draw");
    const inside = wrapped({ doc: framed, frames: new Set([frame]) });
    expect(inside.doc.root.frames.size).toBe(0);
    const [back] = unwrapSubgraph(inside.doc, ROOT, inside.instance, catalogue);
    expect([...back.root.frames.values()].map((one) => one.title)).toEqual(["Draw"]);
  });

  it("is named on all of its nodes", () => {
    const { doc, instance, second } = shared();
    const named = renameSubgraph(doc, "sub", " Draw ");
    const titles = [instance, second].map((id) => shapeOf(at(named, id), surroundings(named, ROOT, catalogue)).title);
    expect(titles).toEqual(["Draw", "Draw"]);
    expect(renameSubgraph(doc, "sub", " ")).toBe(doc);
  });

  it("is not pasted into itself", () => {
    const { doc, instance } = wrapped();
    const part = copyPart(doc, ROOT, { nodes: new Set([instance]), frames: new Set() });
    expect(paste(doc, "sub", part, { x: 0, y: 0 })[1].nodes).toEqual([]);
  });

  it("feeds a copy of what is in it where the copy keeps its links", () => {
    const { doc, sampler } = wrapped();
    const part = copyPart(doc, "sub", { nodes: new Set([sampler]), frames: new Set() });
    const [twice, { nodes }] = paste(doc, "sub", part, { x: 0, y: 300 }, true);
    expect(linkInto(graphOf(twice, "sub"), nodes[0] as string, "model")?.from).toBe(GRAPH_INPUT);
    const [bare, { nodes: alone }] = paste(doc, "sub", part, { x: 0, y: 300 });
    expect(linkInto(graphOf(bare, "sub"), alone[0] as string, "model")).toBeUndefined();
  });

  it("is a node's own once they are parted", () => {
    const { doc, second, sampler } = shared();
    const parted = separate(doc, ROOT, second, "own");
    expect([instancesOf(parted, "sub"), instancesOf(parted, "own")]).toEqual([1, 1]);
    expect(graphOf(parted, "own").nodes.get(sampler)?.type).toBe("KSampler");
    expect(separate(parted, ROOT, second, "again")).toBe(parted);
  });
});

describe("a widget that a subgraph shows", () => {
  it("has a value of its own on each of several nodes, in a file too", () => {
    const { doc, instance, second, sampler, steps } = shared();
    const own = { ...at(doc, second), values: { [steps]: 33 } };
    const differing = { ...doc, root: { ...doc.root, nodes: new Map(doc.root.nodes).set(second, own) } };
    for (const one of [differing, reopened(differing)]) {
      expect([seen(one, instance, steps)?.value, seen(one, second, steps)?.value]).toEqual([4, 33]);
      const prompt = toPrompt(one, options);
      expect(prompt[`${instance}:${sampler}`]?.inputs.steps).toBe(4);
      expect(prompt[`${second}:${sampler}`]?.inputs.steps).toBe(33);
    }
    const changed = setValue(differing, ROOT, second, steps, 5);
    expect([seen(changed, instance, steps)?.value, seen(changed, second, steps)?.value]).toEqual([4, 5]);
  });

  it("is set inside where the subgraph has one node", () => {
    const { doc, instance, sampler } = wrapped();
    const shown = toggleExposed(doc, ROOT, instance, { node: sampler, widget: "steps" }, catalogue);
    const set = setValue(shown, ROOT, instance, `${sampler}:steps`, 9);
    expect(graphOf(set, "sub").nodes.get(sampler)?.values.steps).toBe(9);
    expect(at(set, instance).values).toEqual({});
  });

  it("shows what it holds inside until it is changed, and a seed does what is said inside", () => {
    const { doc, instance, sampler } = wrapped();
    const seed = { node: sampler, input: "seed", type: "INT", name: "seed" };
    const grown = addPort(doc, "sub", "in", seed, "p-seed");
    expect(seen(grown, instance, "seed")).toEqual({ value: 7, follows: "randomize" });
    const counting = setValue(grown, ROOT, instance, "seed:control", "increment");
    expect(graphOf(counting, "sub").nodes.get(sampler)?.values["seed:control"]).toBe("increment");
    const ran = afterRun(counting, catalogue, () => 0);
    expect(seen(reopened(ran), instance, "seed")).toEqual({ value: 8, follows: "increment" });
  });
});

describe("subgraphs of one id from two windows", () => {
  it("are the same until one is changed", () => {
    const { doc, instance, sampler } = wrapped();
    const part = reopened(alone(doc, ROOT, instance, "part") as Doc);
    expect(clashing(part, doc, catalogue)).toEqual([]);
    const changed = setValue(doc, "sub", sampler, "steps", 50);
    expect(clashing(part, changed, catalogue)).toEqual(["sub"]);
    const renamed = withNewIds(part, new Map([["sub", "other"]]));
    expect([...renamed.subgraphs.keys(), renamed.root.nodes.get("1")?.type]).toEqual(["other", "other"]);
  });
});
