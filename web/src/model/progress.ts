/* How far a run is, by what each of its nodes usually takes. */

export interface Step {
  readonly state: string;
  readonly value?: number;
  readonly max?: number;
  /** When it began and, once it is done, what it took; milliseconds. */
  readonly since?: number;
  readonly ms?: number;
}

type Steps = Readonly<Record<string, Step>>;
/** Milliseconds that each node of a job is thought to take. */
export type Weights = Readonly<Record<string, number>>;

const part = ({ value = 0, max }: Step) => (max ? Math.min(1, value / max) : 0);

/** In 0..1: the part of each node that is done, by its weight. What comes from the cache takes no time. */
export function doneBy(weights: Weights, steps: Steps): number {
  let [done, all] = [0, 0];
  for (const [path, weight] of Object.entries(weights)) {
    const step = steps[path];
    if (step?.state === "cached") continue;
    all += weight;
    if (step?.state === "done") done += weight;
    else if (step?.state === "running") done += weight * part(step);
  }
  return all ? done / all : 1;
}

/** Milliseconds until the end: at the pace of the node at work, and what those after it are thought to take. Nothing
 * while that node does not say how far it is. */
export function leftOf(weights: Weights, steps: Steps, now: number): number | undefined {
  let left = 0;
  let paced = false;
  for (const [path, weight] of Object.entries(weights)) {
    const step = steps[path];
    if (step?.state === "running") {
      const done = part(step);
      if (!done || step.since === undefined) return undefined;
      left += ((now - step.since) / done) * (1 - done);
      paced = true;
    } else if (step?.state !== "done" && step?.state !== "cached") left += weight;
  }
  return paced ? left : undefined;
}
