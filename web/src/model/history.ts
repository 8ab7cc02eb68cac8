/*
 * Documents share structure and are never changed, so a step of undo is the document before it. A gesture (a drag, a
 * scrub, a burst of typing) is one step however many edits it makes.
 */

export interface Step<T> {
  readonly doc: T;
  readonly label: string;
  /** What it costs to keep. */
  readonly bytes?: number;
}

/** How many bytes a document takes beside one that it shares structure with. */
export type Weigh<T> = (one: T, other: T) => number;

export interface History<T> {
  readonly past: readonly Step<T>[];
  readonly present: T;
  readonly future: readonly Step<T>[];
  /** Without it nothing is ever forgotten. */
  readonly weigh?: Weigh<T>;
  /** What the gesture under way began with; consecutive edits with the same key are one gesture. */
  readonly gesture?: { readonly key: string; readonly from: T; readonly label: string };
}

/** The oldest steps go when all together take more than this. */
export const MOST_BYTES = 50_000_000;

export function startHistory<T>(doc: T, weigh?: Weigh<T>): History<T> {
  return { past: [], present: doc, future: [], weigh };
}

/** One edit that is a step by itself. Nothing is kept of an edit that changed nothing. */
export function commit<T>(history: History<T>, doc: T, label: string): History<T> {
  const settled = settle(history);
  if (doc === settled.present) return settled;
  return { ...settled, past: pushed(settled, { doc: settled.present, label }, doc), present: doc, future: [] };
}

/** One edit of a gesture: begins it where `key` is new, and goes on with it where it is not. */
export function gesture<T>(history: History<T>, key: string, doc: T, label: string): History<T> {
  if (history.gesture?.key === key) return doc === history.present ? history : { ...history, present: doc };
  const settled = settle(history);
  if (doc === settled.present) return settled;
  return { ...settled, present: doc, gesture: { key, from: settled.present, label } };
}

/** Ends the gesture under way: from now on it is one step. */
export function settle<T>(history: History<T>): History<T> {
  const { gesture: open, ...rest } = history;
  if (!open) return history;
  if (open.from === history.present) return rest;
  return { ...rest, past: pushed(rest, { doc: open.from, label: open.label }, rest.present), future: [] };
}

/** Drops the gesture under way, back to what it began with. */
export function abandon<T>(history: History<T>): History<T> {
  const { gesture: open, ...rest } = history;
  return open ? { ...rest, present: open.from } : history;
}

export function undo<T>(history: History<T>): History<T> {
  const settled = settle(history);
  const step = settled.past[settled.past.length - 1];
  if (!step) return settled;
  return {
    ...settled,
    past: settled.past.slice(0, -1),
    present: step.doc,
    future: [{ doc: settled.present, label: step.label }, ...settled.future],
  };
}

export function redo<T>(history: History<T>): History<T> {
  const settled = settle(history);
  const [step, ...future] = settled.future;
  if (!step) return settled;
  const past = pushed(settled, { doc: settled.present, label: step.label }, step.doc);
  return { ...settled, past, present: step.doc, future };
}

/** The past with one more step, and without the oldest where there is no room for them. */
function pushed<T>({ past, weigh }: History<T>, step: Step<T>, next: T): readonly Step<T>[] {
  if (!weigh) return [...past, step];
  const steps = [...past, { ...step, bytes: weigh(step.doc, next) }];
  let bytes = steps.reduce((sum, one) => sum + (one.bytes ?? 0), 0);
  let from = 0;
  while (bytes > MOST_BYTES && from < steps.length - 1) bytes -= steps[from++]?.bytes ?? 0;
  return from ? steps.slice(from) : steps;
}

/** The history with every document in it changed. */
export function mapHistory<T>(history: History<T>, change: (doc: T) => T): History<T> {
  const step = (one: Step<T>): Step<T> => ({ ...one, doc: change(one.doc) });
  const { gesture: open } = history;
  return {
    ...history,
    past: history.past.map(step),
    present: change(history.present),
    future: history.future.map(step),
    ...(open ? { gesture: { ...open, from: change(open.from) } } : {}),
  };
}
