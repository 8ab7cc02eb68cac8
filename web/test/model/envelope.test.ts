import { expect, test } from "vitest";
import { opened } from "../../src/model/envelope";
import { openText } from "../../src/model/open";
import { opening } from "../support";

const API = { "1": { class_type: "EmptyImage", inputs: {} }, "2": { class_type: "SaveImage", inputs: {} } };
const DOCUMENT = { nodes: [], links: [] };
const INFO = { extra_pnginfo: { workflow: DOCUMENT } };

test.each([
  ["nodes alone", API, undefined],
  ["a body", { prompt: API }, undefined],
  ["a client's body", { prompt: API, client_id: "x", extra_data: {} }, undefined],
  ["the editor's body", { prompt: API, extra_data: INFO }, DOCUMENT],
  ["both halves", { workflow: DOCUMENT, output: API }, DOCUMENT],
  ["a job", { workflow: { prompt: API, extra_data: INFO } }, DOCUMENT],
  ["information beside nodes", { ...API, ...INFO }, DOCUMENT],
  ["keys beside nodes", { ...API, version: 0.4, notes: ["a"], about: { author: "x" } }, undefined],
])("the workflow is found in %s", (_, value, document) => {
  expect(opened(value)).toEqual({ prompt: API, document });
});

test("a node that lacks its class is no key to leave out", async () => {
  const broken = { "3": { inputs: {} } };
  expect(opened({ ...API, ...broken }).prompt).toEqual({ ...API, ...broken });
  await expect(openText(JSON.stringify({ ...API, ...broken }), opening)).rejects.toThrow(/Node 3 .* no class_type/);
});

test.each([
  [{}],
  [[]],
  ["text"],
  [null],
  [{ prompt: {} }],
  [{ prompt: { prompt: { prompt: { prompt: { prompt: API } } } } }],
])("there is none in %j", (value) => {
  expect(opened(value)).toEqual({});
});
