import { describe, expect, test } from "vitest";
import { faultSentence, inPlace } from "../../src/model/problems";

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
