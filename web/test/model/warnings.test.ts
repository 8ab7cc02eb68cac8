import { expect, it } from "vitest";
import type { GraphNode } from "../../src/model/document";
import { surroundings } from "../../src/model/edits";
import type { NodeSchema } from "../../src/model/schema";
import { shapeOf } from "../../src/model/shape";
import { warningsOf } from "../../src/model/warnings";
import { build, catalogue } from "../support";

function warned(type: string, values: GraphNode["values"] = {}, more: Partial<GraphNode> = {}, linked: string[] = []) {
  const { doc, id } = build({ it: [type, values] });
  const node = { ...(doc.root.nodes.get(id.it as string) as GraphNode), ...more };
  return warningsOf(node, shapeOf(node, surroundings(doc, "root", catalogue)), new Set(linked), catalogue);
}

it("warns of a model that is not here", () =>
  expect(warned("CheckpointLoaderSimple", { ckpt_name: "gone.safetensors" })).toEqual([
    "gone.safetensors is not on this server. Choose another ckpt_name.",
  ]));
it("does not where the value is linked, the node does not run, or nothing was chosen", () => {
  expect(warned("CheckpointLoaderSimple", { ckpt_name: "gone" }, {}, ["ckpt_name"])).toEqual([]);
  expect(warned("CheckpointLoaderSimple", { ckpt_name: "gone" }, { mode: 2 })).toEqual([]);
  expect(warned("CheckpointLoaderSimple")).toEqual([]);
  expect(warned("KSampler", { sampler_name: "euler" })).toEqual([]);
});
it("does not of pictures, whose place says more", () => expect(warned("LoadImage", { image: "gone.png" })).toEqual([]));
it("warns of a node that is deprecated", () => {
  const schema = catalogue.get("VAEDecode") as NodeSchema;
  const old = new Map(catalogue).set("VAEDecode", { ...schema, deprecated: true });
  const { doc, id } = build({ it: ["VAEDecode"] });
  const node = doc.root.nodes.get(id.it as string) as GraphNode;
  expect(warningsOf(node, shapeOf(node, surroundings(doc, "root", old)), new Set(), old)).toEqual([
    "This node is deprecated: a newer one does its work.",
  ]);
});
