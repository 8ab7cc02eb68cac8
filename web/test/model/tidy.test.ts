import { describe, expect, it } from "vitest";
import { arrange, arrangeInput } from "../../src/model/arrange";
import { type Doc, ROOT } from "../../src/model/document";
import { addFrame, boxOf, surroundings } from "../../src/model/edits";
import { contentOf, frameBox, toggleFolded } from "../../src/model/frames";
import { applyTidied, tidy } from "../../src/model/tidy";
import { catalogue, textToImage } from "../support";

const { doc: plain, id } = textToImage();
const around = (doc: Doc) => surroundings(doc, ROOT, catalogue);
const all = (doc: Doc) => new Set(doc.root.nodes.keys());
const tidied = (doc: Doc) => applyTidied(doc, ROOT, tidy(around(doc), all(doc)));
const frameOf = (doc: Doc, frame: number) =>
  doc.root.frames.get(frame) as NonNullable<ReturnType<typeof doc.root.frames.get>>;
/** Around the two prompts, which lie at 300 and 600; a smaller frame is around the first of them. */
const [withOuter, outer] = addFrame(plain, ROOT, { x: 280, y: -80, width: 600, height: 600 }, "Prompts");
const [framed, inner] = addFrame(withOuter, ROOT, { x: 290, y: -60, width: 270, height: 300 }, "First");

const apart = (a: { x: number; y: number; width: number; height: number }, b: typeof a) =>
  a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

describe("a graph that is tidied", () => {
  it("is arranged as ever where it has no frames", () => {
    const places = arrange(arrangeInput(around(plain), all(plain)));
    for (const [key, place] of tidy(around(plain), all(plain)).nodes) expect(place).toEqual(places.get(key));
  });
  it("keeps in each frame what was in it, and everything else out of it", () => {
    const next = tidied(framed);
    expect(contentOf(frameOf(next, outer), around(next))).toEqual({
      nodes: [id.positive, id.negative],
      frames: [inner],
    });
    expect(contentOf(frameOf(next, inner), around(next)).nodes).toEqual([id.positive]);
    const box = frameBox(frameOf(next, outer));
    for (const node of next.root.nodes.values())
      if (node.id !== id.positive && node.id !== id.negative)
        expect(apart(boxOf(node, around(next)), box), node.type).toBe(true);
  });
  it("stays as it is when it is tidied again", () =>
    expect(tidied(tidied(framed)).root.frames).toEqual(tidied(framed).root.frames));
  it("moves a folded frame as it is, with what it hides", () => {
    const folded = toggleFolded(framed, ROOT, [outer], around(framed));
    const next = tidied(folded);
    const [before, after] = [frameOf(folded, outer), frameOf(next, outer)];
    expect([after.width, after.height, after.folded]).toEqual([before.width, before.height, before.folded]);
    for (const one of [id.positive, id.negative] as string[]) {
      const [was, is] = [folded.root.nodes.get(one), next.root.nodes.get(one)];
      expect([(is?.x ?? 0) - after.x, (is?.y ?? 0) - after.y]).toEqual([
        (was?.x ?? 0) - before.x,
        (was?.y ?? 0) - before.y,
      ]);
    }
    const box = frameBox(after);
    for (const node of next.root.nodes.values())
      if (node.id !== id.positive && node.id !== id.negative)
        expect(apart(boxOf(node, around(next)), box), node.type).toBe(true);
  });
  it("leaves frames alone of which only some nodes are tidied", () => {
    const { frames, nodes } = tidy(around(framed), new Set([id.positive as string, id.sampler as string]));
    expect([...frames.keys()]).toEqual([inner]);
    expect([...nodes.keys()].sort()).toEqual([id.positive, id.sampler].sort());
  });
});
