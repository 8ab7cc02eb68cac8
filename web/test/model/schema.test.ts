import { describe, expect, it } from "vitest";
import { allowed, readCatalogue } from "../../src/model/schema";
import { catalogue } from "../support";

const node = (type: string) => {
  const found = catalogue.get(type);
  if (!found) throw new Error(type);
  return found;
};

describe("reading the server's nodes", () => {
  it("tells sockets from widgets and keeps their order", () => {
    expect(node("KSampler").sockets.map((one) => one.name)).toEqual(["model", "positive", "negative", "latent_image"]);
    expect(node("KSampler").widgets.map((one) => one.name)).toEqual([
      "seed",
      "steps",
      "cfg",
      "sampler_name",
      "scheduler",
      "denoise",
    ]);
  });

  it("reads both ways of writing a choice", () => {
    const { widgets } = node("ImageScale");
    expect(widgets[0]).toMatchObject({ kind: "choice", type: "COMBO", default: "nearest-exact" });
    expect(widgets[3]).toMatchObject({
      kind: "choice",
      type: "COMBO",
      options: ["disabled", "center"],
      default: "disabled",
    });
  });

  it("makes a forced widget a socket", () => {
    expect(node("Switch").sockets.map((one) => one.name)).toEqual(["a", "strength", "b"]);
  });

  it("knows seeds by name where the server does not say", () => {
    const info = { A: { input: { required: { noise_seed: ["INT", {}], count: ["INT", {}] } }, output: [] } };
    expect(
      readCatalogue(info)
        .get("A")
        ?.widgets.map((one) => one.control),
    ).toEqual([true, false]);
  });

  it("puts the upload slot after the required widgets", () => {
    expect(node("LoadImage").uploadAfter).toBe(1);
    expect(node("SaveImage").uploadAfter).toBe(-1);
  });

  it.each([null, 3, [], { A: 3 }, { A: { input: { required: { x: "INT" } } } }])(
    "makes nothing of %j that is not there",
    (info) => {
      for (const one of readCatalogue(info).values()) expect(one.widgets).toEqual([]);
    },
  );

  it.each([
    ["cfg", 200, 100],
    ["cfg", 1.23456, 1.23],
    ["denoise", -1, 0],
    ["steps", 2.6, 3],
  ])("fits %s %d to %d", (name, value, wanted) => {
    const widget = node("KSampler").widgets.find((one) => one.name === name);
    expect(widget && allowed(widget, value)).toBe(wanted);
  });
});
