import { expect, test } from "vitest";
import { duration } from "../../src/model/duration";

test.each([
  [0, "1 ms"],
  [999.6, "999 ms"],
  [1000, "1.0 s"],
  [59_949, "59.9 s"],
  [59_999, "1 min"],
  [119_700, "2 min"],
  [125_000, "2 min 5 s"],
  [3_599_600, "1 h"],
  [4_800_000, "1 h 20 min"],
])("%d ms is %s", (ms, said) => {
  expect(duration(ms)).toBe(said);
});
