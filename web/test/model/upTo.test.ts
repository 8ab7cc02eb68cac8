import { describe, expect, it } from "vitest";
import { toPrompt, unfilled } from "../../src/model/prompt";
import { canEndAt, shownIn, upTo } from "../../src/model/upTo";
import { catalogue, options, textToImage } from "../support";

const { doc, id } = textToImage();
const prompt = toPrompt(doc, options);
const end = (key: string) => upTo(prompt, id[key] as string, catalogue);
const types = (part: ReturnType<typeof end>) =>
  Object.values(part?.prompt ?? {})
    .map((one) => one.class_type)
    .sort();

describe("a run to a node", () => {
  it("has what the node needs and shows its picture", () => {
    const part = end("decode");
    expect(types(part)).toEqual([
      "CLIPTextEncode",
      "CLIPTextEncode",
      "CheckpointLoaderSimple",
      "EmptyLatentImage",
      "KSampler",
      "PreviewImage",
      "VAEDecode",
    ]);
    expect(part?.prompt[part.target]?.inputs).toEqual({ images: [id.decode, 0] });
    expect(shownIn(part?.target ?? "")).toBe(id.decode);
  });
  it("tells of what is no picture", () => {
    const part = end("latent");
    expect(types(part)).toEqual(["EmptyLatentImage", "PreviewAny"]);
    expect(unfilled(part?.prompt ?? {}, catalogue)).toEqual([]);
  });
  it("puts nothing behind an output", () => {
    const part = end("save");
    expect(part?.prompt).toEqual(prompt);
    expect(part?.target).toBe(id.save);
    expect(shownIn("57:28")).toBe("57:28");
  });
  it("is none for what is not run, or gives nothing", () => {
    expect(upTo(prompt, "99", catalogue)).toBeUndefined();
    expect(canEndAt([], false, catalogue)).toBe(false);
    expect(canEndAt([], true, catalogue)).toBe(true);
    expect(canEndAt([{ name: "LATENT", type: "LATENT", list: false }], false, new Map())).toBe(false);
  });
});
