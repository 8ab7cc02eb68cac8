import { describe, expect, test } from "vitest";
import { doneBy, leftOf } from "../../src/model/progress";

const WEIGHTS = { load: 1000, sample: 8000, decode: 1000 };

describe("progress", () => {
  test("goes by what nodes take, not by how many they are", () => {
    expect(doneBy(WEIGHTS, {})).toBe(0);
    expect(doneBy(WEIGHTS, { load: { state: "done" } })).toBe(0.1);
    const sampling = { state: "running", value: 5, max: 20 };
    expect(doneBy(WEIGHTS, { load: { state: "done" }, sample: sampling })).toBeCloseTo(0.3);
    expect(doneBy(WEIGHTS, { load: { state: "done" }, sample: { state: "done" }, decode: { state: "done" } })).toBe(1);
  });

  test("leaves out what comes from the cache", () => {
    const steps = { load: { state: "cached" }, sample: { state: "running", value: 1, max: 2 } };
    expect(doneBy(WEIGHTS, steps)).toBeCloseTo(4 / 9);
    const cached = Object.fromEntries(Object.keys(WEIGHTS).map((path) => [path, { state: "cached" }]));
    expect(doneBy(WEIGHTS, cached)).toBe(1);
  });

  test("never goes back while a run goes on", () => {
    let last = 0;
    for (let step = 0; step <= 20; step++) {
      const steps = { load: { state: "done", ms: 9999 }, sample: { state: "running", value: step, max: 20 } };
      const now = doneBy(WEIGHTS, steps);
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });
});

describe("the time left", () => {
  test("is at the pace of the node at work, and what comes after it", () => {
    const sampling = { state: "running", value: 5, max: 20, since: 1000 };
    const steps = { load: { state: "done" }, sample: sampling, decode: { state: "queued" } };
    expect(leftOf(WEIGHTS, steps, 3000)).toBe(6000 + 1000);
  });

  test.each([
    ["before a node says how far it is", { sample: { state: "running", since: 0 } }],
    ["before anything runs", { load: { state: "queued" } }],
    ["when all is done", { load: { state: "done" }, sample: { state: "cached" }, decode: { state: "done" } }],
  ])("is not guessed %s", (_, steps) => {
    expect(leftOf(WEIGHTS, steps, 500)).toBeUndefined();
  });
});
