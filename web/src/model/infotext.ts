import { tidy } from "./apiFile";
import { type Doc, emptyDoc, type GraphNode, type NodeId } from "./document";
import { addNode, connect, editNode } from "./edits";
import { readInteger } from "./integer";
import type { Json } from "./json";
import type { Catalogue } from "./schema";
import { schemaShape } from "./schemaShape";

export interface Infotext {
  readonly positive: string;
  readonly negative: string;
  readonly settings: ReadonlyMap<string, string>;
}

/** The A1111 "parameters" text taken apart, or nothing where the text is not one. */
export function readInfotext(text: string): Infotext | undefined {
  const lines = text.trim().split("\n");
  const last = lines[lines.length - 1] ?? "";
  if (!/(^|, )Steps: \d+/.test(last)) return undefined;
  const body = lines.slice(0, -1).join("\n");
  const [positive = "", ...negative] = body.split(/^Negative prompt:/m);
  return {
    positive: positive.trim(),
    negative: negative.join("Negative prompt:").trim(),
    settings: readSettings(last),
  };
}

function readSettings(line: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const match of line.matchAll(/\s*([^:,]+):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)/g)) {
    const value = match[2] ?? "";
    found.set((match[1] ?? "").trim(), value.startsWith('"') ? unquote(value) : value.trim());
  }
  return found;
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

const SAMPLERS: Readonly<Record<string, string>> = {
  "euler a": "euler_ancestral",
  euler: "euler",
  lms: "lms",
  heun: "heun",
  dpm2: "dpm_2",
  "dpm2 a": "dpm_2_ancestral",
  "dpm++ 2s a": "dpmpp_2s_ancestral",
  "dpm++ 2m": "dpmpp_2m",
  "dpm++ sde": "dpmpp_sde",
  "dpm++ 2m sde": "dpmpp_2m_sde",
  "dpm++ 3m sde": "dpmpp_3m_sde",
  "dpm fast": "dpm_fast",
  "dpm adaptive": "dpm_adaptive",
  ddim: "ddim",
  unipc: "uni_pc",
  lcm: "lcm",
};

/** Sampler and schedule from A1111's name, which may hold both ("DPM++ 2M Karras"). */
export function readSampler(name: string, schedule = ""): readonly [string, string] {
  const lower = name.toLowerCase().trim();
  const inName = /\s(karras|exponential|sgm uniform)$/.exec(lower);
  const sampler = SAMPLERS[inName ? lower.slice(0, inName.index) : lower] ?? "euler";
  const asked = (inName?.[1] ?? schedule.toLowerCase()).replace(" ", "_");
  return [sampler, ["karras", "exponential", "sgm_uniform", "simple", "beta"].includes(asked) ? asked : "normal"];
}

/** A text-to-image workflow that says what the infotext says. */
export function fromInfotext(info: Infotext, catalogue: Catalogue, newId: () => string): Doc {
  const get = (key: string) => info.settings.get(key);
  const number = (key: string, otherwise: number) => Number(get(key) ?? otherwise) || otherwise;
  const [width = 512, height = 512] = (get("Size") ?? "").split("x").map(Number);
  const [sampler_name, scheduler] = readSampler(get("Sampler") ?? "", get("Schedule type") ?? "");
  let doc = emptyDoc(newId());
  const add = (type: string, values: Readonly<Record<string, Json>>, title?: string): NodeId => {
    const [next, id] = addNode(doc, "root", type, { x: 0, y: doc.root.nodes.size * 40 });
    doc = editNode(next, "root", id, (node): GraphNode => ({ ...node, values, title }));
    return id;
  };
  const link = (from: NodeId, slot: number, to: NodeId, input: string, type: string) => {
    doc = connect(doc, "root", { from, slot, to, input, type });
  };
  let model = add("CheckpointLoaderSimple", { ckpt_name: checkpoint(get("Model") ?? "", catalogue) });
  const loader = model;
  let clip = { id: loader, slot: 1 };
  const prompt = info.positive.replace(/<lora:([^:>]+):?([\d.]*)>/g, (_, name: string, weight: string) => {
    const strength = Number(weight || 1);
    const id = add("LoraLoader", {
      lora_name: `${name}.safetensors`,
      strength_model: strength,
      strength_clip: strength,
    });
    link(model, 0, id, "model", "MODEL");
    link(clip.id, clip.slot, id, "clip", "CLIP");
    model = id;
    clip = { id, slot: 1 };
    return "";
  });
  const skip = number("Clip skip", 1);
  if (skip > 1) {
    const id = add("CLIPSetLastLayer", { stop_at_clip_layer: -skip });
    link(clip.id, clip.slot, id, "clip", "CLIP");
    clip = { id, slot: 0 };
  }
  const positive = add("CLIPTextEncode", { text: prompt.trim() }, "Positive");
  const negative = add("CLIPTextEncode", { text: info.negative }, "Negative");
  const latent = add("EmptyLatentImage", { width: width || 512, height: height || 512, batch_size: 1 });
  const sampler = add("KSampler", {
    seed: readInteger(get("Seed") ?? "") ?? 0,
    "seed:control": "fixed",
    steps: number("Steps", 20),
    cfg: number("CFG scale", 7),
    sampler_name,
    scheduler,
    denoise: 1,
  });
  const decode = add("VAEDecode", {});
  const save = add("SaveImage", {});
  link(clip.id, clip.slot, positive, "clip", "CLIP");
  link(clip.id, clip.slot, negative, "clip", "CLIP");
  link(model, 0, sampler, "model", "MODEL");
  link(positive, 0, sampler, "positive", "CONDITIONING");
  link(negative, 0, sampler, "negative", "CONDITIONING");
  link(latent, 0, sampler, "latent_image", "LATENT");
  link(sampler, 0, decode, "samples", "LATENT");
  link(loader, 2, decode, "vae", "VAE");
  link(decode, 0, save, "images", "IMAGE");
  return tidy(doc, catalogue);
}

/** The file here whose name fits the one that the text gives, or that name as it is. */
function checkpoint(name: string, catalogue: Catalogue): string {
  const schema = catalogue.get("CheckpointLoaderSimple");
  const files = schema ? (schemaShape(schema).widgets[0]?.options ?? []).map(String) : [];
  const stem = (file: string) => (file.split(/[\\/]/).pop() ?? file).replace(/\.\w+$/, "");
  return files.find((file) => stem(file) === name) ?? (name ? `${name}.safetensors` : (files[0] ?? ""));
}
