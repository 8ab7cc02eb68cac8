import { describe, expect, it } from "vitest";
import { addLora, complete, completingAt } from "../../src/model/completion";
import { linkInto, linksOutOf } from "../../src/model/document";
import { toPrompt } from "../../src/model/prompt";
import { options, textToImage } from "../support";

const at = (text: string) => completingAt(text.replace("|", ""), text.indexOf("|"));

describe("what is written at the caret", () => {
  it.each([
    ["embedding:|", "embedding", ""],
    ["a cat, embedding:bad|", "embedding", "bad"],
    ["(embedding:ea|:1.2)", "embedding", "ea"],
    ["a cat, <lora:in| and more", "lora", "in"],
  ])("%s", (text, kind, typed) => expect(at(text)).toMatchObject({ kind, typed }));

  it.each(["embeddings|", "a cat|", "<lora:ink:0.5|", "myembedding:x|"])("%s is nothing", (text) =>
    expect(at(text)).toBeUndefined(),
  );

  it("is completed in its place", () => {
    const embedding = at("a cat, embedding:ba| there");
    expect(embedding && complete("a cat, embedding:ba there", embedding, "bad-hands")).toEqual({
      text: "a cat, embedding:bad-hands there",
      caret: 26,
    });
    const lora = at("a cat, <lora:in|");
    expect(lora && complete("a cat, <lora:in", lora, "ink.safetensors")).toEqual({ text: "a cat", caret: 5 });
  });
});

describe("a LoRA named in a prompt", () => {
  it("goes between the model and all that it feeds", () => {
    const { doc, id } = textToImage();
    const next = addLora(doc, "root", id.positive as string, "ink.safetensors");
    const lora = [...next.root.nodes.values()].find((node) => node.type === "LoraLoader");
    expect(lora?.values).toEqual({ lora_name: "ink.safetensors" });
    const loader = lora?.id as string;
    expect(linkInto(next.root, loader, "model")?.from).toBe(id.model);
    expect(linkInto(next.root, loader, "clip")?.from).toBe(id.model);
    expect(linkInto(next.root, id.sampler as string, "model")).toMatchObject({ from: loader, slot: 0 });
    expect(linkInto(next.root, id.negative as string, "clip")).toMatchObject({ from: loader, slot: 1 });
    expect(linksOutOf(next.root, id.model as string).map((link) => link.to)).toEqual(
      expect.arrayContaining([loader, loader, id.decode]),
    );
    expect(toPrompt(next, options)[loader]?.inputs).toMatchObject({ lora_name: "ink.safetensors" });
  });

  it("is not added where nothing feeds the prompt", () => {
    const { doc, id } = textToImage();
    expect(addLora(doc, "root", id.sampler as string, "ink")).toBe(doc);
  });
});
