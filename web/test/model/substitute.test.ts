import { describe, expect, it } from "vitest";
import { linkInto, linksOutOf } from "../../src/model/document";
import { missingTypes, openEditorFile } from "../../src/model/editorFile";
import type { JsonObject } from "../../src/model/json";
import { substitute, substitutes } from "../../src/model/substitute";
import { catalogue, newId } from "../support";

const socket = (name: string, type: string, more = {}) => ({ name, type, link: null, ...more });
const file = {
  nodes: [
    { id: 1, type: "EmptyLatentImage", pos: [0, 0], outputs: [{ name: "LATENT", type: "LATENT", links: [1] }] },
    {
      id: 2,
      type: "KSampler (Efficient)",
      pos: [300, 0],
      inputs: [
        socket("latent", "LATENT", { link: 1 }),
        socket("seed", "INT", { widget: { name: "seed" } }),
        socket("steps", "INT", { widget: { name: "steps" } }),
        socket("sampler_name", "COMBO", { widget: { name: "sampler_name" } }),
        socket("odd", "BOOLEAN", { widget: { name: "odd" } }),
      ],
      outputs: [
        { name: "MODEL", type: "MODEL", links: null },
        { name: "LATENT", type: "LATENT", links: [2] },
      ],
      widgets_values: [41, "increment", 9, "heun", true],
    },
    { id: 3, type: "VAEDecode", pos: [600, 0], inputs: [socket("samples", "LATENT", { link: 2 })] },
  ],
  links: [
    [1, 1, 0, 2, 0, "LATENT"],
    [2, 2, 1, 3, 0, "LATENT"],
  ],
};
const open = () => openEditorFile(JSON.parse(JSON.stringify(file)) as JsonObject, catalogue, newId);

describe("a node that is not known here", () => {
  it("is likest to the one with its name and sockets", () => {
    const node = open().root.nodes.get("2");
    expect(node && substitutes(node, catalogue).map((one) => one.type)[0]).toBe("KSampler");
    expect(node && substitutes({ ...node, type: "Zzyx", inputs: [], outputs: [] }, catalogue)).toEqual([]);
    expect(node && substitutes({ ...node, type: "EditBasicPipe" }, catalogue)).toEqual([]);
  });

  it("becomes it with its links and the values that fit", () => {
    const doc = substitute(open(), "root", "2", "KSampler", catalogue);
    expect(missingTypes(doc, catalogue).size).toBe(0);
    expect(doc.root.nodes.get("2")?.values).toEqual({
      seed: 41,
      "seed:control": "increment",
      steps: 9,
      sampler_name: "heun",
    });
    expect(linkInto(doc.root, "2", "latent_image")).toMatchObject({ from: "1" });
    expect(linksOutOf(doc.root, "2")).toMatchObject([{ slot: 0, to: "3", input: "samples" }]);
  });

  it("loses only links that nothing of the other takes", () => {
    const doc = substitute(open(), "root", "2", "SaveImage", catalogue);
    expect(doc.root.links.size).toBe(0);
    expect(substitute(open(), "root", "9", "KSampler", catalogue).root.links.size).toBe(2);
  });
});
