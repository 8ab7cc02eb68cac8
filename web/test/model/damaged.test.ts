import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BadFile, openEditorFile } from "../../src/model/editorFile";
import { type Json, type JsonObject, writeJson } from "../../src/model/json";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { readCatalogue } from "../../src/model/schema";
import { newId, options } from "../support";

const folder = new URL("../../../tests/web/agreement/", import.meta.url);
const read = (name: string) => JSON.parse(readFileSync(new URL(name, folder), "utf8"));
const catalogue = readCatalogue(read("object_info.json"));
const files: readonly { readonly file: JsonObject }[] = read("files.json");

const JUNK: readonly Json[] = [
  ...[null, true, -1, 1e300, "", "x", [], {}, [null], { a: 1 }, ["a", "b"], 2 ** 60],
  ...["__proto__", "toString", "constructor"],
];

/** Whole numbers below n, the same each time. */
function chance(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

type Place = readonly [Record<string, unknown> | unknown[], string];

function placesIn(value: unknown, found: Place[] = []): readonly Place[] {
  if (typeof value !== "object" || value === null) return found;
  for (const key of Object.keys(value)) {
    found.push([value as Record<string, unknown>, key]);
    placesIn((value as Record<string, unknown>)[key], found);
  }
  return found;
}

/** A copy with a few of its parts gone, doubled, or something else. */
function damaged(file: JsonObject, pick: (n: number) => number): JsonObject {
  const copy = structuredClone(file);
  const places = placesIn(copy);
  for (let i = pick(4); i >= 0; i--) {
    const [holder, key] = places[pick(places.length)] as Place;
    const how = pick(4);
    if (how === 0) delete (holder as Record<string, unknown>)[key];
    else if (how === 1 && Array.isArray(holder)) holder.push(structuredClone(holder[Number(key)]));
    else (holder as Record<string, unknown>)[key] = structuredClone(JUNK[pick(JUNK.length)]);
  }
  return JSON.parse(JSON.stringify(copy)) as JsonObject;
}

const save = (file: JsonObject) => {
  const doc = openEditorFile(file, catalogue, newId);
  toPrompt(doc, { ...options, catalogue });
  return writeJson(saveEditorFile(doc, catalogue));
};

describe("a damaged file", () => {
  it("opens or is refused in a sentence, and once saved it stays as it is", () => {
    const pick = chance(7);
    for (let i = 0; i < 400; i++) {
      const file = damaged((files[pick(files.length)] as { file: JsonObject }).file, pick);
      let once: string;
      try {
        once = save({ ...file, id: "one" });
      } catch (error) {
        expect(error).toBeInstanceOf(BadFile);
        continue;
      }
      expect(save(JSON.parse(once))).toBe(once);
    }
  });

  it.each([
    ["a button's slot of another name", "LoadImage", ["a.png"], [{ name: "odd", widget: { name: "upload" } }]],
    ["rows that are gone", "Power Lora Loader (rgthree)", [], []],
    [
      "a field that is called as what every object has",
      "VAELoader",
      [],
      [{ name: "toString", widget: { name: "toString" } }],
    ],
  ])("settles at once with %s", (_, type, values, slots) => {
    const inputs = slots.map((slot) => ({ type: "INT", link: null, ...slot }));
    const file = { id: "one", nodes: [{ id: 1, type, pos: [0, 0], inputs, widgets_values: values }], links: [] };
    const once = save(file as unknown as JsonObject);
    expect(save(JSON.parse(once))).toBe(once);
  });
});
