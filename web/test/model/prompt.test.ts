import { describe, expect, it } from "vitest";
import { afterRun } from "../../src/model/afterRun";
import { BYPASS, MUTE } from "../../src/model/document";
import { editNode, setValue, toggleMode } from "../../src/model/edits";
import { knownPart, toPrompt, unfilled } from "../../src/model/prompt";
import { expandChoices, formatDate } from "../../src/model/queuedText";
import { unwrapSubgraph, wrapInSubgraph } from "../../src/model/wrapping";
import { build, catalogue, newId, options, textToImage } from "../support";

describe("the prompt of a document", () => {
  it("holds every node that runs, values by name and links as [id, slot]", () => {
    const { doc, id } = textToImage();
    const prompt = toPrompt(doc, options);
    expect(Object.keys(prompt)).toHaveLength(7);
    expect(prompt[id.sampler as string]).toEqual({
      class_type: "KSampler",
      inputs: {
        seed: 7,
        steps: 4,
        cfg: 8,
        sampler_name: "euler",
        scheduler: "simple",
        denoise: 1,
        model: [id.model, 0],
        positive: [id.positive, 0],
        negative: [id.negative, 0],
        latent_image: [id.latent, 0],
      },
      _meta: { title: "KSampler" },
    });
  });

  it("leads links through reroutes", () => {
    const { doc, id } = build({ a: ["VAEDecode"], r: ["Reroute"], s: ["Reroute"], b: ["SaveImage"] }, [
      "a.0 -> r.",
      "r.0 -> s.",
      "s.0 -> b.images",
    ]);
    const prompt = toPrompt(doc, options);
    expect(Object.keys(prompt)).toEqual([id.a, id.b]);
    expect(prompt[id.b as string]?.inputs.images).toEqual([id.a, 0]);
  });

  it("puts a primitive's value into every widget it feeds", () => {
    const { doc, id } = build({ p: ["PrimitiveNode", { value: 640 }], l: ["EmptyLatentImage"] }, [
      "p.0 -> l.width",
      "p.0 -> l.height",
    ]);
    expect(toPrompt(doc, options)[id.l as string]?.inputs).toEqual({ width: 640, height: 640, batch_size: 1 });
  });

  it("goes past a bypassed node by type", () => {
    const { doc, id } = build(
      { m: ["CheckpointLoaderSimple"], lora: ["LoraLoader"], k: ["KSampler"], t: ["CLIPTextEncode"] },
      ["m.0 -> lora.model", "m.1 -> lora.clip", "lora.0 -> k.model", "lora.1 -> t.clip"],
    );
    const prompt = toPrompt(toggleMode(doc, "root", [id.lora as string], BYPASS), options);
    expect(prompt[id.k as string]?.inputs.model).toEqual([id.m, 0]);
    expect(prompt[id.t as string]?.inputs.clip).toEqual([id.m, 1]);
    expect(prompt[id.lora as string]).toBeUndefined();
  });

  it("leaves out what a bypassed node cannot stand for, and links to muted nodes", () => {
    const { doc, id } = build({ l: ["LoadImage"], e: ["VAEEncode"], k: ["KSampler"], d: ["VAEDecode"] }, [
      "l.0 -> e.pixels",
      "e.0 -> k.latent_image",
      "k.0 -> d.samples",
    ]);
    const bypassed = toPrompt(toggleMode(doc, "root", [id.e as string], BYPASS), options);
    expect(bypassed[id.k as string]?.inputs).not.toHaveProperty("latent_image");
    const muted = toPrompt(toggleMode(doc, "root", [id.k as string], MUTE), options);
    expect(muted[id.d as string]?.inputs).toEqual({});
  });

  it("keeps the widget's value where the link into it leads nowhere", () => {
    const { doc, id } = build({ r: ["Reroute"], l: ["EmptyLatentImage", { width: 320 }] }, ["r.0 -> l.width"]);
    expect(toPrompt(doc, options)[id.l as string]?.inputs.width).toBe(320);
  });

  it("wraps lists that are values", () => {
    const { doc, id } = build({ s: ["SaveImage", { filename_prefix: ["a", 0] }] });
    expect(toPrompt(doc, options)[id.s as string]?.inputs.filename_prefix).toEqual({ __value__: ["a", 0] });
  });

  it("fills dates and other nodes' values into the name of a file", () => {
    const { doc, id } = build({
      k: ["KSampler", { seed: 12, sampler_name: "a/b" }],
      s: ["SaveImage", { filename_prefix: "%date:yyyy-MM-dd%/%KSampler.seed%_%KSampler.sampler_name%_%other.thing%" }],
    });
    expect(toPrompt(doc, options)[id.s as string]?.inputs.filename_prefix).toBe("2026-01-07/12_a_b_%other.thing%");
  });
});

describe("subgraphs in the prompt", () => {
  const wrapped = () => {
    const { doc, id } = textToImage();
    const given = { id: "sub", name: "S", catalogue, portId: newId };
    const [next, instance] = wrapInSubgraph(doc, "root", new Set([id.positive, id.sampler] as string[]), given);
    return { doc, id, next, instance: instance as string };
  };

  it("are flattened to the same graph, ids prefixed", () => {
    const { doc, id, next, instance } = wrapped();
    const plain = toPrompt(doc, options);
    const flat = toPrompt(next, options);
    const sampler = `${instance}:${id.sampler}`;
    expect(Object.keys(flat)).toHaveLength(Object.keys(plain).length);
    expect(flat[sampler]?.inputs).toEqual({
      ...plain[id.sampler as string]?.inputs,
      positive: [`${instance}:${id.positive}`, 0],
    });
    expect(flat[id.decode as string]?.inputs.samples).toEqual([sampler, 0]);
  });

  it("do not run when muted, and hand on when bypassed", () => {
    const { id, next, instance } = wrapped();
    const muted = toPrompt(toggleMode(next, "root", [instance], MUTE), options);
    expect(Object.keys(muted).some((key) => key.includes(":"))).toBe(false);
    const bypassed = toPrompt(toggleMode(next, "root", [instance], BYPASS), options);
    expect(bypassed[id.decode as string]?.inputs.samples).toEqual([id.latent, 0]);
  });

  it("come apart again to the graph they were made of", () => {
    const { doc, next, instance } = wrapped();
    const [back] = unwrapSubgraph(next, "root", instance, catalogue);
    const classes = (one: typeof doc) =>
      Object.values(toPrompt(one, options))
        .map((node) => `${node.class_type} ${Object.keys(node.inputs).sort()}`)
        .sort();
    expect(classes(back)).toEqual(classes(doc));
    expect(back.subgraphs.size).toBe(0);
  });

  it("take the instance's value where nothing is linked to an exposed widget", () => {
    const { doc, id } = build({ p: ["PrimitiveNode", { value: "x" }], t: ["CLIPTextEncode", { text: "inner" }] }, [
      "p.0 -> t.text",
    ]);
    const [next, instance] = wrapInSubgraph(doc, "root", new Set([id.t as string]), {
      id: "sub",
      name: "S",
      catalogue,
      portId: newId,
    });
    const inner = `${instance}:${id.t}`;
    expect(toPrompt(next, options)[inner]?.inputs.text).toBe("x");
    const unlinked = { ...next, root: { ...next.root, links: new Map() } };
    expect(toPrompt(unlinked, options)[inner]?.inputs.text).toBe("inner");
    const outer = setValue(unlinked, "root", instance as string, "text", "outer");
    expect(toPrompt(outer, options)[inner]?.inputs.text).toBe("outer");
  });
});

describe("choices in prompts", () => {
  it.each([
    ["a {red|blue} cat", 0, "a red cat"],
    ["a {red|blue} cat", 0.99, "a blue cat"],
    ["{a|{b|c}}", 0.99, "c"],
    ["keep \\{this\\|so\\}", 0, "keep {this|so}"],
    ["open {never", 0, "open {never"],
    ["no // comment\nhere /* nor */ there", 0, "no \nhere  there"],
    ["https://x.y", 0, "https:"],
    ["plain } text | too", 0, "plain } text | too"],
    ["(weighted\\(not\\):1.2)", 0, "(weighted\\(not\\):1.2)"],
  ])("%s at %d is %s", (text, random, wanted) => {
    expect(expandChoices(text, () => random)).toBe(wanted);
  });
});

it("writes dates as the format asks", () => {
  expect(formatDate(options.now, "yy-M-d hh:mm:ss")).toBe("26-1-7 09:05:03");
});

describe("before a run", () => {
  it("names required inputs that nothing feeds", () => {
    const { doc, id } = build({ d: ["VAEDecode"], s: ["SaveImage"] }, ["d.0 -> s.images"]);
    expect(unfilled(toPrompt(doc, options), catalogue)).toEqual([
      { id: id.d, title: "VAE Decode", inputs: ["samples", "vae"] },
    ]);
  });

  it("leaves out unknown nodes and all that needs them", () => {
    const { doc, id } = textToImage();
    const broken = editNode(doc, "root", id.decode as string, (node) => ({ ...node, type: "Gone" }));
    const { prompt, skipped } = knownPart(toPrompt(broken, options), catalogue);
    expect([...skipped].sort()).toEqual([id.decode, id.save].sort());
    expect(Object.keys(prompt)).toHaveLength(5);
  });
});

describe("after a run", () => {
  const seedAfter = (control: string, random = () => 0.5, seed = 7) => {
    const { doc, id } = build({ k: ["KSampler", { seed, "seed:control": control }] });
    return afterRun(doc, catalogue, random).root.nodes.get(id.k as string)?.values.seed;
  };

  it.each([
    ["fixed", 7],
    ["increment", 8],
    ["decrement", 6],
  ])("a seed that is %s becomes %d", (control, wanted) => expect(seedAfter(control)).toBe(wanted));

  it("a random seed stays a number that is exact", () => {
    expect(Number.isSafeInteger(seedAfter("randomize", () => 0.999999))).toBe(true);
  });

  it("does not go below the smallest", () => expect(seedAfter("decrement", undefined, 0)).toBe(0));

  it("leaves a document without seeds as it is", () => {
    const { doc } = build({ d: ["VAEDecode"] });
    expect(afterRun(doc, catalogue, Math.random)).toBe(doc);
  });
});
