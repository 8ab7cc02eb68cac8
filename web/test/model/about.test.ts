import { describe, expect, it } from "vitest";
import { inputsOf, outputsOf } from "../../src/model/about";
import type { NodeSchema } from "../../src/model/schema";
import { schemaShape } from "../../src/model/schemaShape";
import { catalogue } from "../support";

const shape = (type: string) => schemaShape(catalogue.get(type) as NodeSchema);
const fact = (type: string, name: string) => inputsOf(shape(type)).find((one) => one.name === name);

describe("what is said of a node", () => {
  it("has its sockets first, then its widgets with their bounds", () => {
    expect(inputsOf(shape("KSampler")).map((one) => one.name)).toEqual([
      "model",
      "positive",
      "negative",
      "latent_image",
      "seed",
      "steps",
      "cfg",
      "sampler_name",
      "scheduler",
      "denoise",
    ]);
    expect(fact("KSampler", "model")).toMatchObject({ type: "MODEL", rules: "" });
    expect(fact("KSampler", "steps")).toMatchObject({ type: "INT", rules: "1 to 10000, default 20" });
    expect(fact("KSampler", "seed")?.rules).toBe("from 0, default 0");
    expect(fact("KSampler", "sampler_name")?.rules).toMatch(/^\d+ to choose from$/);
  });
  it("names the outputs", () => {
    expect(outputsOf(shape("KSampler"))).toMatchObject([{ name: "LATENT", type: "LATENT", rules: "" }]);
  });
  it("says nothing of an empty default", () => {
    expect(fact("CLIPTextEncode", "text")?.rules).toBe("");
  });
});
