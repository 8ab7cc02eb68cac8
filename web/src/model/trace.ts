/* Where the time of a run went. */

export interface Timed {
  readonly path: string;
  readonly since?: number;
  readonly ms?: number;
  readonly cached: boolean;
}

export interface Span {
  readonly path: string;
  readonly ms: number;
  /** Where it begins and how much of the run it took, in 0..1. */
  readonly from: number;
  readonly share: number;
}

export interface Flame {
  /** The nodes that ran, in their order. */
  readonly spans: readonly Span[];
  /** The nodes whose results were there already. */
  readonly cached: readonly string[];
  readonly ms: number;
}

/** The nodes of a run along its time; none where nothing is known of them. */
export function flameOf(nodes: readonly Timed[]): Flame {
  const ran = nodes
    .flatMap(({ path, since, ms, cached }) =>
      cached || since === undefined || ms === undefined ? [] : [{ path, since, ms }],
    )
    .sort((a, b) => a.since - b.since);
  const start = ran[0]?.since ?? 0;
  const ms = ran.reduce((end, one) => Math.max(end, one.since + one.ms - start), 0);
  const part = (time: number) => (ms ? time / ms : 0);
  return {
    spans: ran.map((one) => ({ path: one.path, ms: one.ms, from: part(one.since - start), share: part(one.ms) })),
    cached: nodes.filter((one) => one.cached).map((one) => one.path),
    ms,
  };
}
