/* Which nodes wait in the queue, and at which place. */

interface QueuedJob {
  readonly id: string;
  readonly tab: string;
  readonly nodes: readonly string[];
  readonly state: string;
}

type Places = ReadonlyMap<string, number>;

const known = new WeakMap<readonly string[], { readonly jobs: unknown; readonly made: ReadonlyMap<string, Places> }>();

/** Of each tab, the place in the queue at which each of its nodes comes first; `pending` is the queue in its order. */
export function waitingIn(
  jobs: Readonly<Record<string, QueuedJob>>,
  pending: readonly string[],
): ReadonlyMap<string, Places> {
  const before = known.get(pending);
  if (before?.jobs === jobs) return before.made;
  const made = new Map<string, Map<string, number>>();
  for (const [at, id] of pending.entries()) {
    const job = jobs[id];
    if (job?.state !== "queued") continue;
    const places = made.get(job.tab) ?? new Map<string, number>();
    for (const node of job.nodes) if (!places.has(node)) places.set(node, at + 1);
    made.set(job.tab, places);
  }
  known.set(pending, { jobs, made });
  return made;
}
