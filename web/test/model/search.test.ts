import { describe, expect, it } from "vitest";
import { nearest } from "../../src/model/nearest";
import { calculate, weighSelection } from "../../src/model/promptText";
import { filterTexts, searchNodes } from "../../src/model/search";
import { catalogue } from "../support";

const types = (text: string, more = {}) => searchNodes(catalogue, { text, recent: [], ...more }).map((one) => one.type);

describe("searching for a node", () => {
  it.each([
    ["ksam", "KSampler"],
    ["load check", "CheckpointLoaderSimple"],
    ["vd", "VAEDecode"],
    ["empty", "EmptyLatentImage"],
    ["CLIPTextEncode", "CLIPTextEncode"],
  ])("%s finds %s first", (text, wanted) => expect(types(text)[0]).toBe(wanted));

  it("filters by what a dropped link brings", () => {
    expect(types("", { takes: "LATENT" }).slice(0, 2).sort()).toEqual(["KSampler", "VAEDecode"]);
    expect(types("", { takes: "LATENT" })).not.toContain("CheckpointLoaderSimple");
    expect(types("", { gives: "MODEL" }).slice(0, 2).sort()).toEqual(["CheckpointLoaderSimple", "LoraLoader"]);
  });

  it("filters by types in the text", () => {
    expect(types(">IMAGE up")[0]).toBe("ImageScale");
    expect(types("in:CLIP")).toContain("CLIPSetLastLayer");
    expect(types("in:CLIP")).not.toContain("ImageScale");
  });

  it("puts what was used lately first", () => expect(types("", { recent: ["SolidMask"] })[0]).toBe("SolidMask"));

  it("finds nothing for nonsense", () => expect(types("qqqqzzzz")).toEqual([]));
});

it("offers names near to a missing one", () => {
  expect(nearest("v1-5-pruned.safetensors", ["sdxl_base.safetensors", "v1-5-pruned-emaonly.safetensors"])).toEqual([
    "v1-5-pruned-emaonly.safetensors",
  ]);
  expect(nearest("xyz", ["abc"])).toEqual([]);
});

it("keeps all for an empty filter", () => expect(filterTexts(["b", "a"], " ", String)).toEqual(["b", "a"]));

describe("weighing words", () => {
  const weigh = (text: string, part: string, by: 1 | -1) => {
    const start = text.indexOf(part);
    return weighSelection({ text, start, end: start + part.length }, by);
  };
  it("adds, changes and removes a weight", () => {
    expect(weigh("a red cat", "red", 1).text).toBe("a (red:1.05) cat");
    expect(weigh("a (red:1.05) cat", "red", 1).text).toBe("a (red:1.1) cat");
    expect(weigh("a (red:1.05) cat", "red", -1).text).toBe("a red cat");
    expect(weigh("a (red:1.05) cat", "(red:1.05)", 1).text).toBe("a (red:1.1) cat");
  });
  it("takes the word under the caret, and keeps it selected", () => {
    const next = weighSelection({ text: "a red cat", start: 3, end: 3 }, 1);
    expect(next.text.slice(next.start, next.end)).toBe("red");
  });
  it("does nothing where there is nothing", () =>
    expect(weighSelection({ text: " ", start: 0, end: 0 }, 1).text).toBe(" "));
});

it.each([
  ["512*1.5", 768],
  ["2+3*4", 14],
  ["(2+3)*4", 20],
  ["-3", -3],
  ["2^3^2", 512],
  ["7%4", 3],
  ["1,5", 1.5],
  ["1e3", 1000],
  ["1/0", undefined],
  ["two", undefined],
  ["(1", undefined],
  ["1+", undefined],
  ["", undefined],
])("%s is %s", (text, wanted) => expect(calculate(text)).toBe(wanted));
