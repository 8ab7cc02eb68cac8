import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { begun, keepingEarly, onEvent } from "../../src/store/events";
import { type Job, runOf, useExec } from "../../src/store/exec";

const running: Job = {
  id: "job",
  tab: "tab",
  title: "a workflow",
  nodes: ["1"],
  types: {},
  weights: {},
  state: "running",
  queuedAt: 1,
};
const picture = { filename: "a.png", subfolder: "", type: "output" };
const knows = (job: Job) => useExec.setState({ jobs: { [job.id]: job }, runs: {} });
const shown = () => runOf(useExec.getState(), "tab").images["1"];

beforeEach(() => {
  vi.stubGlobal("document", { hidden: false });
  const entry = { job: { prompt: [], outputs: { 1: { images: [picture] } }, status: { messages: [] } } };
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(entry)));
});
afterEach(() => vi.unstubAllGlobals());

test("what a job made while nothing could be told is asked for when it has ended", async () => {
  knows({ ...running, missed: true });
  onEvent("execution_success", { prompt_id: "job" });
  await vi.waitFor(() => expect(shown()).toEqual([picture]));
});

test("what was told is not asked for again", async () => {
  const asked = vi.spyOn(globalThis, "fetch");
  knows(running);
  onEvent("executed", { prompt_id: "job", node: "1", output: { images: [picture] } });
  onEvent("execution_success", { prompt_id: "job" });
  expect(shown()).toEqual([picture]);
  expect(asked.mock.calls.filter(([url]) => String(url).includes("/history"))).toEqual([]);
});

test("what happens to a job before the server has told of it comes first", async () => {
  useExec.setState({ jobs: {}, runs: {} });
  await keepingEarly(async () => {
    onEvent("execution_start", { prompt_id: "job" });
    onEvent("executed", { prompt_id: "job", node: "1", output: { images: [picture] } });
    onEvent("execution_success", { prompt_id: "job" });
    useExec.setState({ jobs: { job: { ...running, state: "queued" } } });
    begun("job");
  });
  expect(shown()).toEqual([picture]);
  expect(useExec.getState().jobs.job?.state).toBe("done");
});

test("events of jobs that nobody asked for are not kept", async () => {
  useExec.setState({ jobs: {}, runs: {} });
  onEvent("execution_success", { prompt_id: "job" });
  await keepingEarly(async () => {
    knows(running);
    begun("job");
  });
  expect(useExec.getState().jobs.job?.state).toBe("running");
});
