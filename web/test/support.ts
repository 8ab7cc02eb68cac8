import type { Doc } from "../src/model/document";
import { emptyDoc } from "../src/model/document";
import { addNode, connect, editNode, surroundings } from "../src/model/edits";
import type { Json } from "../src/model/json";
import { readCatalogue } from "../src/model/schema";
import { shapeOf } from "../src/model/shape";
import info from "./objectInfo.json" with { type: "json" };

export const catalogue = readCatalogue(info);

let ids = 0;
export const newId = () => `id-${++ids}`;

/** For files that leave nothing to be asked of a server. */
export const opening = { catalogue, newId, fieldsOf: async () => [] };

export const options = { catalogue, random: () => 0, now: new Date(2026, 0, 7, 9, 5, 3) };

/** A small way to write graphs down: nodes by key, links as "from.slot -> to.input". */
export function build(
  nodes: Readonly<Record<string, readonly [type: string, values?: Readonly<Record<string, Json>>]>>,
  links: readonly string[] = [],
): { readonly doc: Doc; readonly id: Readonly<Record<string, string>> } {
  let doc = emptyDoc("doc");
  const id: Record<string, string> = {};
  for (const [key, [type, values]] of Object.entries(nodes)) {
    const [next, made] = addNode(doc, "root", type, { x: Object.keys(id).length * 300, y: 0 });
    id[key] = made;
    doc = values ? editNode(next, "root", made, (node) => ({ ...node, values })) : next;
  }
  for (const link of links) {
    const match = /^(\w+)\.(\d+) -> (\w+)\.(.*)$/.exec(link);
    if (!match) throw new Error(link);
    const [, from, slot, to, input] = match as unknown as [string, string, string, string, string];
    const around = surroundings(doc, "root", catalogue);
    const source = around.graph.nodes.get(id[from] as string);
    const type = source ? (shapeOf(source, around).outputs[Number(slot)]?.type ?? "*") : "*";
    doc = connect(doc, "root", { from: id[from] as string, slot: Number(slot), to: id[to] as string, input, type });
  }
  return { doc, id };
}

export const textToImage = () =>
  build(
    {
      model: ["CheckpointLoaderSimple", { ckpt_name: "starter.safetensors" }],
      positive: ["CLIPTextEncode", { text: "a harbour" }],
      negative: ["CLIPTextEncode", { text: "blurry" }],
      latent: ["EmptyLatentImage", { width: 256, height: 256 }],
      sampler: ["KSampler", { seed: 7, "seed:control": "randomize", steps: 4 }],
      decode: ["VAEDecode"],
      save: ["SaveImage", { filename_prefix: "ink" }],
    },
    [
      "model.0 -> sampler.model",
      "model.1 -> positive.clip",
      "model.1 -> negative.clip",
      "positive.0 -> sampler.positive",
      "negative.0 -> sampler.negative",
      "latent.0 -> sampler.latent_image",
      "sampler.0 -> decode.samples",
      "model.2 -> decode.vae",
      "decode.0 -> save.images",
    ],
  );
