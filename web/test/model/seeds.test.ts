import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterRun } from "../../src/model/afterRun";
import { openApiFile } from "../../src/model/apiFile";
import { openEditorFile } from "../../src/model/editorFile";
import { setValue } from "../../src/model/edits";
import { addInteger, clampInteger, plainInteger, readInteger } from "../../src/model/integer";
import { type JsonObject, readJson, sameJson, writeJson } from "../../src/model/json";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { allowed } from "../../src/model/schema";
import { rounds } from "../rounds";
import { catalogue, newId, options, textToImage } from "../support";

const TOP = 2n ** 64n - 1n;
const seed = fc.bigInt({ min: 0n, max: TOP });
const widget = () => {
  const found = catalogue.get("KSampler")?.widgets.find((one) => one.name === "seed");
  if (!found) throw new Error("no seed");
  return found;
};

it("a seed that was changed after the run was sent is not stepped: it is for the next run", () => {
  const { doc, id } = textToImage();
  const sampler = id.sampler as string;
  const counting = setValue(doc, "root", sampler, "seed:control", "increment");
  const sent = setValue(counting, "root", sampler, "seed", 5);
  const seedOf = (now: typeof doc) => afterRun(now, catalogue, () => 0, sent).root.nodes.get(sampler)?.values.seed;
  expect(seedOf(sent)).toBe(6);
  expect(seedOf(setValue(sent, "root", sampler, "steps", 7))).toBe(6);
  expect(seedOf(setValue(sent, "root", sampler, "seed", 100))).toBe(100);
});

describe("seeds up to 2^64 - 1 keep every digit", () => {
  it("through the document, the file and the prompt, both ways", () => {
    fc.assert(
      fc.property(seed, (value) => {
        const { doc, id } = textToImage();
        const sampler = id.sampler as string;
        const edited = setValue(doc, "root", sampler, "seed", plainInteger(value));
        const text = writeJson(saveEditorFile(edited, catalogue));
        expect(text).toContain(`[${value},"randomize"`);
        const again = openEditorFile(readJson(text) as JsonObject, catalogue, newId);
        expect(BigInt(again.root.nodes.get(sampler)?.values.seed as bigint)).toBe(value);
        expect(writeJson(saveEditorFile(again, catalogue))).toBe(text);
        const prompt = writeJson(toPrompt(again, options));
        expect(prompt).toContain(`"seed":${value},`);
        const sent = openApiFile(readJson(prompt) as JsonObject, catalogue, newId).root.nodes.get(sampler);
        expect(BigInt(sent?.values.seed as bigint)).toBe(value);
      }),
      rounds(60),
    );
  });

  it("through whatever JSON holds, written as JSON.stringify writes it", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), seed, fc.constantFrom(undefined, 2), (value, big, indent) => {
        const text = writeJson({ value, big: plainInteger(big) }, indent);
        expect(text).toBe(JSON.stringify({ value, big: 0 }, null, indent).replace(/0(?=\s*}$)/, String(big)));
        expect(writeJson(readJson(text), indent)).toBe(text);
      }),
    );
  });

  it("is what a person can type, step and clamp", () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: -20, max: 20 }), (value, by) => {
        const typed = readInteger(String(value));
        expect(typed).toBe(plainInteger(value));
        const sum = value + BigInt(by);
        const within = sum < 0n ? 0n : sum > TOP ? TOP : sum;
        expect(allowed(widget(), addInteger(typed ?? 0, by))).toBe(plainInteger(within));
      }),
    );
    expect(readInteger("12.5")).toBeUndefined();
    expect(clampInteger(99, 0, 10)).toBe(10);
    expect(allowed(widget(), -3)).toBe(0);
  });

  it("goes on by one after a run", () => {
    const { doc, id } = textToImage();
    const sampler = id.sampler as string;
    const set = setValue(doc, "root", sampler, "seed", 2n ** 60n);
    const counting = setValue(set, "root", sampler, "seed:control", "increment");
    expect(afterRun(counting, catalogue, () => 0).root.nodes.get(sampler)?.values.seed).toBe(2n ** 60n + 1n);
    const last = setValue(counting, "root", sampler, "seed", TOP);
    expect(afterRun(last, catalogue, () => 0).root.nodes.get(sampler)?.values.seed).toBe(TOP);
  });

  it("does not confuse digits in texts and fractions with seeds", () => {
    const text = '{"a":"12345678901234567890","b":0.12345678901234567,"c":1e30,"d":[12345678901234567890,-0.5]}';
    expect(readJson(text)).toEqual({
      a: "12345678901234567890",
      b: Number("0.12345678901234567"),
      c: 1e30,
      d: [12345678901234567890n, -0.5],
    });
    expect(readJson('{"a":1,"a":12345678901234567890}')).toEqual({ a: 12345678901234567890n });
    expect(sameJson([2n ** 63n], [2n ** 63n])).toBe(true);
    expect(sameJson([2n ** 63n], [2n ** 63n + 1n])).toBe(false);
  });
});
