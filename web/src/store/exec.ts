import { create } from "zustand";
import type { ImageRef } from "../api/rest";
import type { Integer } from "../model/integer";
import { doneBy, type Weights } from "../model/progress";
import type { Types } from "../model/prompt";
import type { Flame } from "../model/trace";
import { waitingIn } from "../model/waiting";

/* What runs, and what came of it. Never part of a document, never undone, never saved. */

export type RunState = "queued" | "running" | "done" | "cached" | "error" | "skipped";

export interface NodeRun {
  readonly state: RunState;
  readonly value?: number;
  readonly max?: number;
  readonly since?: number;
  readonly ms?: number;
  readonly message?: string;
  readonly trace?: readonly string[];
}

export interface TabRun {
  readonly nodes: Readonly<Record<string, NodeRun>>;
  readonly images: Readonly<Record<string, readonly ImageRef[]>>;
  /** The job that each node's pictures are of. */
  readonly makers: Readonly<Record<string, string>>;
  /** Width over height of what the node shows. */
  readonly aspects: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, string>>;
  /** The seeds that were sent last, by "node widget". */
  readonly seeds: Readonly<Record<string, Integer>>;
}

export interface Job {
  readonly id: string;
  readonly tab: string;
  readonly title: string;
  readonly nodes: readonly string[];
  /** The class of each node. */
  readonly types: Types;
  readonly weights: Weights;
  readonly state: "queued" | "running" | "done" | "failed" | "cancelled";
  readonly queuedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** Whether it ran while nothing could be told to this window. */
  readonly missed?: boolean;
  /** Where its time went, once it has ended. */
  readonly flame?: Flame;
}

interface Exec {
  readonly online: boolean;
  /** How often the server began to tell us of events. */
  readonly connections: number;
  readonly retryAt?: number;
  readonly remaining: number;
  readonly jobs: Readonly<Record<string, Job>>;
  readonly current?: string;
  /** The jobs that wait on the server, anybody's, in the order in which they will run. */
  readonly pending: readonly string[];
  readonly runs: Readonly<Record<string, TabRun>>;
  /** Grows whenever a job ends, so that lists of results know to look again. */
  readonly finished: number;
  /** Grows with everything that the server says of its queue. */
  readonly queueNews: number;
}

export const emptyRun: TabRun = { nodes: {}, images: {}, makers: {}, aspects: {}, texts: {}, seeds: {} };

export const useExec = create<Exec>(() => ({
  online: false,
  connections: 0,
  remaining: 0,
  jobs: {},
  pending: [],
  runs: {},
  finished: 0,
  queueNews: 0,
}));

export const runOf = (state: Exec, tab: string): TabRun => state.runs[tab] ?? emptyRun;

export function changeRun(tab: string, change: (run: TabRun) => TabRun): void {
  useExec.setState((state) => ({ runs: { ...state.runs, [tab]: change(runOf(state, tab)) } }));
}

export function setNode(tab: string, path: string, run: NodeRun): void {
  changeRun(tab, (all) => ({ ...all, nodes: { ...all.nodes, [path]: run } }));
}

export function setAspect(tab: string, path: string, aspect: number): void {
  if (!Number.isFinite(aspect) || aspect <= 0) return;
  const known = runOf(useExec.getState(), tab).aspects[path];
  if (known !== undefined && Math.abs(known - aspect) < 0.01) return;
  changeRun(tab, (all) => ({ ...all, aspects: { ...all.aspects, [path]: aspect } }));
}

export function changeJob(id: string, change: (job: Job) => Job): void {
  useExec.setState((state) => {
    const job = state.jobs[id];
    return job ? { jobs: { ...state.jobs, [id]: change(job) } } : {};
  });
}

const REMEMBERED = 50;

/** A window that stays open for weeks keeps what its last jobs were, not all; the server has their history. */
export function forgetOldJobs(): void {
  useExec.setState(({ jobs }) => {
    const ended = Object.values(jobs).filter((job) => job.endedAt !== undefined);
    const old = ended.sort((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0)).slice(REMEMBERED);
    if (!old.length) return {};
    const gone = new Set(old.map((job) => job.id));
    return { jobs: Object.fromEntries(Object.entries(jobs).filter(([id]) => !gone.has(id))) };
  });
}

/** Overall progress of the running job in 0..1. */
export const progressOf = (state: Exec) => (state.current ? progressOfJob(state, state.current) : undefined);

/** Progress of a job that this window sent, while it runs. */
export function progressOfJob(state: Exec, id: string): number | undefined {
  const job = state.jobs[id];
  return job?.state === "running" && job.nodes.length ? doneBy(job.weights, runOf(state, job.tab).nodes) : undefined;
}

/** At which place in the queue the node waits, where nothing of its tab is running. */
export function placeInQueue(state: Exec, tab: string, path: string): number | undefined {
  if (!state.pending.length) return undefined;
  const running = state.current === undefined ? undefined : state.jobs[state.current];
  return running?.tab === tab ? undefined : waitingIn(state.jobs, state.pending).get(tab)?.get(path);
}

type Draw = (image: ImageBitmap) => void;
const listeners = new Map<string, Set<Draw>>();
const newest = new Map<string, ImageBitmap>();

const key = (tab: string, path: string) => `${tab} ${path}`;

/** Calls `draw` with the newest preview of the node, now and whenever there is another. */
export function watchPreview(tab: string, path: string, draw: Draw): () => void {
  const place = key(tab, path);
  const set = listeners.get(place) ?? new Set();
  listeners.set(place, set.add(draw));
  const known = newest.get(place);
  if (known) draw(known);
  return () => set.delete(draw);
}

/** Previews are counted as they come: they are read side by side, and the later may be read the sooner. */
let count = 0;
const latest = new Map<string, number>();

export async function showPreview(tab: string, path: string, image: Blob): Promise<void> {
  const place = key(tab, path);
  const number = ++count;
  const bitmap = await createImageBitmap(image);
  if (number < Math.max(latest.get(place) ?? 0, latest.get(tab) ?? 0)) return bitmap.close();
  latest.set(place, number);
  newest.get(place)?.close();
  newest.set(place, bitmap);
  setAspect(tab, path, bitmap.width / bitmap.height);
  changeRun(tab, (run) =>
    run.texts[`${path} preview`] ? run : { ...run, texts: { ...run.texts, [`${path} preview`]: "1" } },
  );
  for (const draw of listeners.get(place) ?? []) draw(bitmap);
}

/** Takes the previews of a run away, and those of it that are still being read. */
export function dropPreviews(tab: string): void {
  latest.set(tab, ++count);
  for (const [place, bitmap] of newest) {
    if (!place.startsWith(`${tab} `)) continue;
    bitmap.close();
    newest.delete(place);
  }
}

export const hasPreview = (run: TabRun, path: string) => `${path} preview` in run.texts;
