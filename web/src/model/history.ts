/*
 * Documents share structure and are never changed, so a step of undo is the document before it. A gesture (a drag, a
 * scrub, a burst of typing) is one step however many edits it makes.
 */

export interface Step<T> {
  readonly doc: T;
  readonly label: string;
}

export interface History<T> {
  readonly past: readonly Step<T>[];
  readonly present: T;
  readonly future: readonly Step<T>[];
  /** What the gesture under way began with; consecutive edits with the same key are one gesture. */
  readonly gesture?: { readonly key: string; readonly from: T; readonly label: string };
}

const STEPS = 1000;

export function startHistory<T>(doc: T): History<T> {
  return { past: [], present: doc, future: [] };
}

/** One edit that is a step by itself. Nothing is kept of an edit that changed nothing. */
export function commit<T>(history: History<T>, doc: T, label: string): History<T> {
  const settled = settle(history);
  if (doc === settled.present) return settled;
  return { past: pushed(settled.past, { doc: settled.present, label }), present: doc, future: [] };
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
  return { past: pushed(rest.past, { doc: open.from, label: open.label }), present: rest.present, future: [] };
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
    past: settled.past.slice(0, -1),
    present: step.doc,
    future: [{ doc: settled.present, label: step.label }, ...settled.future],
  };
}

export function redo<T>(history: History<T>): History<T> {
  const settled = settle(history);
  const [step, ...future] = settled.future;
  if (!step) return settled;
  return { past: pushed(settled.past, { doc: settled.present, label: step.label }), present: step.doc, future };
}

function pushed<T>(past: readonly Step<T>[], step: Step<T>): readonly Step<T>[] {
  return past.length < STEPS ? [...past, step] : [...past.slice(1), step];
}
