import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { clipCounter, promptSize } from "../../src/model/tokens";

const FILE = new URL("../../../nodes/diffusion/vocab/bpe_simple_vocab_16e6.txt.gz", import.meta.url);
const merges = gunzipSync(readFileSync(FILE))
  .toString("utf-8")
  .split("\n")
  .slice(1, 49152 - 256 - 1);
const count = clipCounter(merges);
const LENGTHS: Readonly<Record<string, number | null>> = { ink: 3, "style/long": 12, "old,one": null };
const embedding = (name: string) => LENGTHS[name];

/** Prompts with the tokens and chunks that the server makes of them: tests/web/test_tokens.py keeps it true. */
const drawn = JSON.parse(readFileSync(new URL("../../../tests/web/prompts.json", import.meta.url), "utf-8")) as [
  string,
  number,
  number,
][];

it("counts what the server counts, in as many chunks", () => {
  const counted = drawn.map(([text]) => {
    const { tokens, chunks } = promptSize(text, count, embedding);
    return [text, tokens, chunks];
  });
  expect(drawn.length).toBeGreaterThan(400);
  expect(counted).toEqual(drawn);
});

it.each([
  ["a red cat", 3, 1],
  ["(a red:1.3) cat", 3, 1],
  [Array(80).fill("cat").join(" "), 80, 2],
  ["", 0, 1],
])("counts %s", (text, tokens, chunks) =>
  expect(promptSize(text, count, embedding)).toEqual({ tokens, chunks, exact: true }),
);

it("takes the first of the choices, and leaves comments out", () =>
  expect(promptSize("a {red|dark blue} cat // no dog", count, embedding).tokens).toBe(3));

it("says when an embedding's length is not known", () =>
  expect(promptSize("a embedding:old,one", count, embedding)).toEqual({ tokens: 2, chunks: 1, exact: false }));
