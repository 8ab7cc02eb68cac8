import { describe, expect, it } from "vitest";
import type { Prompt } from "../../src/model/prompt";
import { endingOf, jobDetail, jobName, reordered, toldProgress, usualMs } from "../../src/model/queue";
import { flameOf } from "../../src/model/trace";

const node = (class_type: string, inputs: Prompt[string]["inputs"] = {}) => ({
  class_type,
  inputs,
  _meta: { title: "" },
});

describe("what tells a job from its like", () => {
  it("is its seed, a large one too, and its first words", () => {
    const words = node("CLIPTextEncode", { text: "a harbour" });
    expect(jobDetail({ 1: words, 2: node("KSampler", { seed: 7n }) })).toBe("seed 7 · a harbour");
    expect(jobDetail({ 1: node("RandomNoise", { noise_seed: 5 }) })).toBe("seed 5");
    expect(jobDetail({ 1: words, 2: node("KSampler", { seed: ["3", 0] }) })).toBe("a harbour");
    expect(jobDetail({ 1: node("EmptyImage") })).toBe("");
  });
});

describe("the name of a job", () => {
  const prompt = {
    1: node("CLIPTextEncode", { text: "a harbour at dawn" }),
    2: node("SaveImage", { filename_prefix: "boats/ink" }),
  };
  it.each<[string, string, Prompt, Parameters<typeof jobName>[1]]>([
    ["the tab's, where the editor sent it", "My tab", prompt, { title: "My tab" }],
    ["the workflow's own", "Boats", prompt, { extra_pnginfo: { workflow: { extra: { title: "Boats" } } } }],
    ["the name of its files", "boats/ink", prompt, {}],
    ["its words, where it saves nothing", "a harbour at dawn", { 1: prompt[1] }, {}],
    ["its last node", "EmptyImage", { 1: node("EmptyImage") }, {}],
  ])("is %s", (_, name, nodes, extra) => {
    expect(jobName(nodes, extra)).toBe(name);
  });

  it("cuts long words short", () => {
    expect(jobName({ 1: node("CLIPTextEncode", { text: "x".repeat(200) }) }, {})).toHaveLength(60);
  });
});

describe("how a job ended", () => {
  const start = ["execution_start", { timestamp: 1000 }] as const;
  it("tells the time it ran, and what came from the cache", () => {
    const messages = [
      start,
      ["execution_cached", { nodes: ["1", "2"], timestamp: 1001 }],
      ["execution_success", { timestamp: 3500 }],
    ] as const;
    expect(endingOf({ status_str: "success", messages })).toEqual({ how: "done", ms: 2500, cached: 2 });
  });

  it("tells why it failed in one line, and where", () => {
    const error = { node_id: "5", exception_message: "steps is 0.\nmore", timestamp: 1400 };
    const messages = [start, ["execution_error", error]] as const;
    expect(endingOf({ status_str: "error", messages })).toEqual({
      how: "failed",
      ms: 400,
      cached: 0,
      why: "steps is 0.",
      node: "5",
    });
  });

  it("tells who was cancelled from who failed", () => {
    const messages = [start, ["execution_interrupted", { timestamp: 1100 }]] as const;
    expect(endingOf({ status_str: "error", messages }).how).toBe("cancelled");
  });

  it("gives the usual time of those that went well", () => {
    const done = (ms: number) => ({ how: "done" as const, ms, cached: 0 });
    expect(usualMs([done(9), done(1), { how: "failed", ms: 5000, cached: 0 }, done(3)])).toBe(3);
    expect(usualMs([])).toBeUndefined();
  });
});

it.each([
  [0, 2, "bca"],
  [2, 0, "cab"],
  [1, 1, "abc"],
  [5, 0, "abc"],
])("moves place %i to %i", (from, to, wanted) => {
  expect(reordered(["a", "b", "c"], from, to).join("")).toBe(wanted);
});

it("reads the progress of a job from what it told, and begins anew with a second try", () => {
  const told: Parameters<typeof toldProgress>[0] = [
    { type: "execution_start", data: { timestamp: 5 } },
    { type: "executing", data: { node: "9" } },
    { type: "execution_start", data: { timestamp: 7 } },
    { type: "execution_cached", data: { nodes: ["1"] } },
    { type: "executing", data: { node: "2" } },
    { type: "executing", data: { node: "3.0.1", display_node: "3" } },
  ];
  expect(toldProgress(told, 4)).toEqual({ progress: 0.5, since: 7 });
});

it("lays the nodes of a run along its time", () => {
  const flame = flameOf([
    { path: "late", since: 130, ms: 70, cached: false },
    { path: "first", since: 100, ms: 30, cached: false },
    { path: "known", cached: true },
    { path: "never", cached: false },
  ]);
  expect(flame).toEqual({
    spans: [
      { path: "first", ms: 30, from: 0, share: 0.3 },
      { path: "late", ms: 70, from: 0.3, share: 0.7 },
    ],
    cached: ["known"],
    ms: 100,
  });
});
