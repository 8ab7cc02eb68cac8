import { describe, expect, test } from "vitest";
import type { Doc } from "../../src/model/document";
import { disconnect, moveNodes, setValue, toggleMode } from "../../src/model/edits";
import { faultSentence, givenAnew, inPlace } from "../../src/model/problems";
import { textToImage } from "../support";

const FAULT = { message: "Value not in list", details: "ckpt_name: 'x' not in []" };

describe("what is wrong with a node", () => {
  test.each([
    ["Load Checkpoint (node 1), input ckpt_name: 'x' is not there.", "Input ckpt_name: 'x' is not there."],
    ["Sampler (mine) (node 4:2): steps is 0; it must be at least 1.", "Steps is 0; it must be at least 1."],
    ["Nothing of the kind (node", "Nothing of the kind (node"],
  ])("in its own place it need not say its name: %s", (sentence, shown) => {
    expect(inPlace({ ...FAULT, sentence })).toBe(shown);
    expect(faultSentence({ ...FAULT, sentence })).toBe(sentence);
  });

  test("a server without sentences is quoted", () => {
    expect(inPlace(FAULT)).toBe("Value not in list: ckpt_name: 'x' not in []");
    expect(faultSentence({ ...FAULT, details: "" })).toBe("Value not in list");
  });
});

describe("what was said against a node", () => {
  const { doc, id } = textToImage();
  const sampler = id.sampler as string;
  const answered = (next: Doc) => givenAnew(doc.root, next.root, sampler);
  const [link] = [...doc.root.links.values()].filter((one) => one.to === sampler);
  const cut = disconnect(doc, "root", [link?.id ?? -1]);

  test("is answered by another value, another link, another mode, or the end of the node", () => {
    expect(answered(setValue(doc, "root", sampler, "steps", 3))).toBe(true);
    expect(answered(cut)).toBe(true);
    expect(givenAnew(cut.root, doc.root, sampler)).toBe(true);
    expect(answered(toggleMode(doc, "root", [sampler], 4))).toBe(true);
    expect(givenAnew(doc.root, undefined, sampler)).toBe(true);
  });

  test("stands where it was only moved, or another node was changed", () => {
    expect(answered(moveNodes(doc, "root", new Map([[sampler, { x: 9, y: 9 }]])))).toBe(false);
    const other = [...doc.root.nodes.keys()].find((one) => one !== sampler) as string;
    expect(answered(toggleMode(doc, "root", [other], 4))).toBe(false);
  });
});
