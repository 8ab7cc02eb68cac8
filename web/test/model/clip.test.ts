import { describe, expect, test } from "vitest";
import { copyPart, paste } from "../../src/model/clip";
import { ROOT } from "../../src/model/document";
import { addFrame, editFrame, moveNodes, surroundings } from "../../src/model/edits";
import { hiddenIn, shiftPart, toggleFolded, withContent } from "../../src/model/frames";
import { catalogue, textToImage } from "../support";

/** Text to image with a frame around the sampler and one inside it around nothing. */
function framed() {
  const { doc, id } = textToImage();
  const sampler = id.sampler as string;
  const { x, y } = doc.root.nodes.get(sampler) as { x: number; y: number };
  const apart = moveNodes(doc, ROOT, new Map([[sampler, { x, y: 4000 }]]));
  const [outer, frame] = addFrame(apart, ROOT, { x: x - 40, y: 3900, width: 400, height: 900 }, "Sampling");
  const [both, inner] = addFrame(outer, ROOT, { x: x - 20, y: 4500, width: 200, height: 120 }, "Spare");
  return { doc: both, id, sampler, frame, inner, y };
}

describe("what is carried elsewhere", () => {
  test("a frame takes what lies in it, and all of it has new ids", () => {
    const { doc, sampler, frame, inner } = framed();
    const part = withContent({ nodes: new Set(), frames: new Set([frame]) }, surroundings(doc, ROOT, catalogue));
    expect(part).toEqual({ nodes: new Set([sampler]), frames: new Set([frame, inner]) });
    const [next, made] = paste(doc, ROOT, copyPart(doc, ROOT, part), { x: 1000, y: 16 });
    expect(made.frames).toHaveLength(2);
    expect(new Set([frame, inner, ...made.frames]).size).toBe(4);
    const [copy] = made.frames.map((one) => next.root.frames.get(one));
    expect(copy).toMatchObject({ title: "Sampling", width: 400, y: 3916 });
    expect(doc.root.nodes.has(made.nodes[0] as string)).toBe(false);
    expect(next.root.nodes.get(made.nodes[0] as string)?.y).toBe(4016);
    expect(next.root.frames.get(frame)).toBe(doc.root.frames.get(frame));
  });

  test("a folded frame hides its copies, and only them", () => {
    const { doc, sampler, frame } = framed();
    const folded = toggleFolded(doc, ROOT, [frame], surroundings(doc, ROOT, catalogue));
    const around = surroundings(folded, ROOT, catalogue);
    const part = withContent({ nodes: new Set(), frames: new Set([frame]) }, around);
    const [next, made] = paste(folded, ROOT, copyPart(folded, ROOT, part), { x: 0, y: 2000 });
    const hidden = hiddenIn(next.root).nodes;
    const copy = made.frames.find((one) => next.root.frames.get(one)?.folded);
    expect(hidden.get(sampler)).toBe(frame);
    expect(hidden.get(made.nodes[0] as string)).toBe(copy);
    expect([...hidden.keys()]).toEqual([sampler, made.nodes[0]]);
  });

  test("a folded frame forgets what was left behind", () => {
    const { doc, frame } = framed();
    const folded = toggleFolded(doc, ROOT, [frame], surroundings(doc, ROOT, catalogue));
    const clip = copyPart(folded, ROOT, { nodes: new Set(), frames: new Set([frame]) });
    const [next, made] = paste(folded, ROOT, clip, { x: 0, y: 0 });
    expect(next.root.frames.get(made.frames[0] as number)?.folded).toEqual({ nodes: [], frames: [] });
  });

  test("nodes and frames move by the same way, and nothing else does", () => {
    const { doc, sampler, frame, id } = framed();
    const next = shiftPart(doc, ROOT, { nodes: new Set([sampler]), frames: new Set([frame]) }, { x: 16, y: -32 });
    expect(next.root.nodes.get(sampler)?.y).toBe(3968);
    expect(next.root.frames.get(frame)?.y).toBe(3868);
    expect(next.root.nodes.get(id.model as string)).toBe(doc.root.nodes.get(id.model as string));
    expect(shiftPart(doc, ROOT, { nodes: new Set(["none"]), frames: new Set() }, { x: 1, y: 1 })).toBe(doc);
    expect(editFrame(next, ROOT, 99, { x: 1 })).toBe(next);
  });
});
