import { beforeEach, expect, test } from "vitest";
import { forgetTyped, noteTyped, typedAhead } from "../../src/store/typedAhead";

beforeEach(forgetTyped);

test("what is typed is kept, and what is taken back is not", () => {
  for (const key of ["K", "s", "x", "Backspace", " ", "é", "😀"]) expect(noteTyped({ key })).toBe(true);
  expect(typedAhead()).toBe("Ks é😀");
  noteTyped({ key: "Backspace" });
  expect(typedAhead()).toBe("Ks é");
});

test("keys that write nothing are left alone", () => {
  for (const key of ["Enter", "ArrowDown", "Shift", "F2"]) expect(noteTyped({ key })).toBe(false);
  expect(typedAhead()).toBe("");
});
