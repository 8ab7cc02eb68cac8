import { describe, expect, it } from "vitest";
import { linkInto } from "../../src/model/document";
import { extractNodes, insertOnLink, removeNodes, surroundings } from "../../src/model/edits";
import { placedNode } from "../../src/model/shape";
import { bridgeBetween, fits, mayLink } from "../../src/model/types";
import { build, catalogue, textToImage } from "../support";

describe("what fits", () => {
  it.each([
    ["IMAGE", "IMAGE", true],
    ["image", "IMAGE", true],
    ["*", "IMAGE", true],
    ["LATENT", "*", true],
    ["LATENT", "IMAGE", false],
    ["IMAGE,MASK", "MASK", true],
    ["INT", "FLOAT", false],
  ])("%s into %s: %s", (from, to, wanted) => expect(fits(from, to)).toBe(wanted));
});

function judge({ doc, id }: ReturnType<typeof build>, from: string, slot: number, to: string, input: string) {
  const around = surroundings(doc, "root", catalogue);
  const placed = (key: string) => {
    const found = placedNode(around, "root", id[key] as string);
    if (!found) throw new Error(key);
    return found;
  };
  return mayLink({ graph: doc.root, from: placed(from), slot, to: placed(to), input }, catalogue);
}

describe("whether a link may be made", () => {
  it("is yes where types fit", () =>
    expect(judge(textToImage(), "latent", 0, "sampler", "latent_image")).toEqual({ ok: true }));

  it("gives the reason and the node that would help", () => {
    expect(judge(textToImage(), "sampler", 0, "save", "images")).toEqual({
      ok: false,
      reason: "LATENT cannot feed images (IMAGE).",
      bridge: "VAEDecode",
    });
  });

  it("refuses circles", () => {
    const graph = build({ a: ["ImageScale"], b: ["ImageBlur"] }, ["a.0 -> b.image"]);
    expect(judge(graph, "b", 0, "a", "image")).toMatchObject({ ok: false, reason: expect.stringContaining("circle") });
    expect(judge(graph, "a", 0, "a", "image")).toMatchObject({ ok: false });
  });

  it("knows no bridge where there is none", () => expect(bridgeBetween("VAE", "MODEL", catalogue)).toBeUndefined());
});

describe("nodes in links", () => {
  const chain = () =>
    build({ a: ["LoadImage"], b: ["ImageBlur"], c: ["SaveImage"], other: ["ImageScale"] }, [
      "a.0 -> b.image",
      "b.0 -> c.images",
    ]);

  it("are put in where the types fit", () => {
    const { doc, id } = chain();
    const link = linkInto(doc.root, id.c as string, "images");
    const next = insertOnLink(doc, "root", id.other as string, link?.id ?? -1, catalogue);
    expect(linkInto(next.root, id.c as string, "images")?.from).toBe(id.other);
    expect(linkInto(next.root, id.other as string, "image")?.from).toBe(id.b);
    expect(insertOnLink(doc, "root", id.b as string, link?.id ?? -1, catalogue)).toBe(doc);
  });

  it("are healed around when deleted, and when taken out", () => {
    const { doc, id } = chain();
    const removed = removeNodes(doc, "root", [id.b as string], true);
    expect(linkInto(removed.root, id.c as string, "images")?.from).toBe(id.a);
    const extracted = extractNodes(doc, "root", [id.b as string]);
    expect(linkInto(extracted.root, id.c as string, "images")?.from).toBe(id.a);
    expect(extracted.root.nodes.has(id.b as string)).toBe(true);
    expect([...extracted.root.links.values()]).toHaveLength(1);
  });
});
