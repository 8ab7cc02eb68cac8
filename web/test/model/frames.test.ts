import { describe, expect, it } from "vitest";
import type { Doc } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { addFrame, surroundings } from "../../src/model/edits";
import { contentOf, frameBox, framesWithin, hiddenIn, toggleFolded, uncover } from "../../src/model/frames";
import { writeJson } from "../../src/model/json";
import { saveEditorFile } from "../../src/model/saveFile";
import { catalogue, newId, textToImage } from "./../support";

const { doc: plain, id } = textToImage();
/** Around the two prompts, which lie at 300 and 600; a smaller frame is around the first of them. */
const [withOuter, outer] = addFrame(plain, "root", { x: 280, y: -80, width: 600, height: 600 }, "Prompts");
const [framed, inner] = addFrame(withOuter, "root", { x: 290, y: -60, width: 270, height: 300 }, "First");
const around = (doc: Doc) => surroundings(doc, "root", catalogue);
const fold = (doc: Doc, ...frames: number[]) => toggleFolded(doc, "root", frames, around(doc));
const frameOf = (doc: Doc, frame: number) => {
  const found = doc.root.frames.get(frame);
  if (!found) throw new Error(`no frame ${frame}`);
  return found;
};

describe("a frame that folds", () => {
  it("hides what lies in it, the frames too", () => {
    const { nodes, frames } = hiddenIn(fold(framed, outer).root);
    expect([...nodes]).toEqual([
      [id.positive, outer],
      [id.negative, outer],
    ]);
    expect([...frames]).toEqual([inner]);
  });
  it("leaves nodes and links as they are", () => {
    const folded = fold(framed, outer);
    expect(folded.root.nodes).toBe(framed.root.nodes);
    expect(folded.root.links).toBe(framed.root.links);
    expect(fold(folded, outer)).toEqual(framed);
  });
  it("hides nothing that comes to lie there later", () => {
    const folded = fold(framed, outer);
    const sampler = { ...folded.root.nodes.get(id.sampler as string), x: 320, y: 40 } as never;
    const moved = {
      ...folded,
      root: { ...folded.root, nodes: new Map(folded.root.nodes).set(id.sampler as string, sampler) },
    };
    expect(hiddenIn(moved.root).nodes.has(id.sampler as string)).toBe(false);
    expect(contentOf(frameOf(moved, outer), around(moved)).nodes).toEqual([id.positive, id.negative]);
  });
  it("is as small as its title", () => expect(frameBox(frameOf(fold(framed, outer), outer)).height).toBe(40));
  it("draws what two folded frames hide as the outer one", () => {
    const both = fold(fold(framed, inner), outer);
    expect(hiddenIn(both.root).nodes.get(id.positive as string)).toBe(outer);
    expect(hiddenIn(uncover(both, "root", id.positive as string).root).nodes.size).toBe(0);
  });
  it("is kept in the file, and saving stays a fixed point", () => {
    const folded = fold(framed, outer);
    const file = saveEditorFile(folded, catalogue);
    const again = openEditorFile(JSON.parse(writeJson(file)), catalogue, newId);
    expect(hiddenIn(again.root)).toEqual(hiddenIn(folded.root));
    expect(writeJson(saveEditorFile(again, catalogue))).toBe(writeJson(file));
    expect((file.groups as { bounding: number[] }[])[0]?.bounding).toEqual([280, -80, 600, 600]);
  });
  it("is taken by a rectangle only as a whole, and never while another hides it", () => {
    const all = { x: 0, y: -200, width: 2000, height: 2000 };
    expect(framesWithin(all, framed.root)).toEqual([outer, inner]);
    expect(framesWithin({ ...all, width: 600 }, framed.root)).toEqual([inner]);
    expect(framesWithin(all, fold(framed, outer).root)).toEqual([outer]);
  });
});
