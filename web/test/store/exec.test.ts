import { beforeEach, expect, test } from "vitest";
import { forgetOldJobs, type Job, useExec } from "../../src/store/exec";

const job = (number: number, endedAt?: number): Job => ({
  id: `job ${number}`,
  tab: "tab",
  title: "a workflow",
  nodes: [],
  types: {},
  weights: {},
  state: endedAt === undefined ? "queued" : "done",
  queuedAt: number,
  endedAt,
});

const put = (jobs: readonly Job[]) => useExec.setState({ jobs: Object.fromEntries(jobs.map((one) => [one.id, one])) });

beforeEach(() => put([]));

test("the last jobs are remembered, and all that have not ended", () => {
  const ended = Array.from({ length: 60 }, (_, i) => job(i, 1000 - i));
  const open = Array.from({ length: 60 }, (_, i) => job(100 + i));
  put([...ended, ...open]);
  forgetOldJobs();
  const { jobs } = useExec.getState();
  expect(Object.keys(jobs)).toEqual([...ended.slice(0, 50), ...open].map((one) => one.id));
});

test("as long as there are few, nothing changes", () => {
  put([job(1, 5), job(2)]);
  const before = useExec.getState().jobs;
  forgetOldJobs();
  expect(useExec.getState().jobs).toBe(before);
});
