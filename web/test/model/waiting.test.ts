import { expect, test } from "vitest";
import { waitingIn } from "../../src/model/waiting";

const job = (id: string, tab: string, nodes: readonly string[], state = "queued") => ({ id, tab, nodes, state });

test("each node has the place of the first job that it waits in", () => {
  const jobs = { a: job("a", "one", ["1", "2"]), b: job("b", "one", ["2", "3"]), c: job("c", "two", ["1"]) };
  const places = waitingIn(jobs, ["c", "foreign", "a", "b"]);
  expect(Object.fromEntries(places.get("one") ?? [])).toEqual({ 1: 3, 2: 3, 3: 4 });
  expect(Object.fromEntries(places.get("two") ?? [])).toEqual({ 1: 1 });
});

test("what began or was cancelled waits no longer", () => {
  const pending = ["a", "b"];
  const jobs = { a: job("a", "one", ["1"]), b: job("b", "one", ["1"]) };
  expect(waitingIn(jobs, pending).get("one")?.get("1")).toBe(1);
  const begun = { ...jobs, a: job("a", "one", ["1"], "running") };
  expect(waitingIn(begun, pending).get("one")?.get("1")).toBe(2);
  const none = { ...begun, b: job("b", "one", ["1"], "cancelled") };
  expect(waitingIn(none, pending).get("one")).toBeUndefined();
});

test("the same answer is given as long as nothing changed", () => {
  const jobs = { a: job("a", "one", ["1"]) };
  const pending = ["a"];
  expect(waitingIn(jobs, pending)).toBe(waitingIn(jobs, pending));
});
