import { expect, test } from "vitest";
import { plainestFirst } from "../../src/model/templates";

test("templates begin with the plainest, and end with those that need other models", () => {
  const names = ["controlnet_depth", "custom_sampling", "inpaint", "flux_dev", "text_to_image"];
  const shown = new Set(["custom_sampling", "inpaint", "text_to_image"]);
  const templates = names.map((name) => ({ name, thumbnail: shown.has(name) ? `${name}.webp` : null }));
  expect(plainestFirst(templates).map((one) => one.name)).toEqual([
    "text_to_image",
    "inpaint",
    "custom_sampling",
    "controlnet_depth",
    "flux_dev",
  ]);
});
