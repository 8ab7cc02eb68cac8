import { isObject } from "../model/json";
import type { Weights } from "../model/progress";
import type { Types } from "../model/prompt";
import { keepValue, keptValue } from "./kept";
import { useLibrary } from "./library";

/* What nodes of each class took when they ran last, on this server as this browser saw it. */

const KEPT = "sfumato.costs";
/** What is thought of classes that have not run yet: most of a run's time goes into sampling. */
const SAMPLING_MS = 10_000;
const OTHER_MS = 300;

const costs = new Map<string, number>(read());

function read(): [string, number][] {
  const kept = keptValue(KEPT);
  return Object.entries(isObject(kept) ? kept : {}).flatMap(([type, ms]) =>
    typeof ms === "number" ? [[type, ms]] : [],
  );
}

/** Keeps what nodes of these classes took. */
export function learn(took: readonly (readonly [type: string, ms: number])[]): void {
  for (const [type, ms] of took) costs.set(type, Math.max(1, Math.round(ms)));
  keepValue(KEPT, Object.fromEntries(costs));
}

/** What each node is thought to take, by its class. */
export function weigh(types: Types): Weights {
  const { catalogue } = useLibrary.getState();
  const guess = (type: string) => (catalogue.get(type)?.category.startsWith("sampling") ? SAMPLING_MS : OTHER_MS);
  return Object.fromEntries(Object.entries(types).map(([path, type]) => [path, costs.get(type) ?? guess(type)]));
}
