import { asNumber, asText, isList, isObject, readJson, writeJson } from "../model/json";
import type { Kept, Restored } from "./drafts";
import { keepText, keptText } from "./kept";

/*
 * What changed in the last half second before a window is loaded again. The database answers too late for that; what
 * belongs to the window alone is written at once.
 */

const KEY = "sfumato.rescue";

export interface Rescued {
  readonly tabs: readonly string[];
  readonly active: number;
  readonly changed: Restored["tabs"];
  readonly closed: Restored["tabs"];
}

export function rescue(what: Rescued): void {
  // There is room for a few megabytes; of what has none, the last half second is lost.
  keepText(KEY, writeJson(what as never), "sessionStorage");
}

/** What was kept, with what was rescued in its place, and the documents that were closed. It is given once. */
export function withRescued(kept: Restored): Restored & { readonly closed: Restored["tabs"] } {
  const found = take();
  if (!found) return { ...kept, closed: [] };
  const known = new Map([...kept.tabs, ...found.changed, ...found.closed]);
  const tabs = found.tabs.flatMap((id) => {
    const one = known.get(id);
    return one ? [[id, one] as const] : [];
  });
  return { tabs, active: found.active, closed: [...known].filter(([id]) => !found.tabs.includes(id)) };
}

function take(): Rescued | undefined {
  const text = keptText(KEY, "sessionStorage");
  keepText(KEY, undefined, "sessionStorage");
  if (!text) return undefined;
  try {
    const value = readJson(text);
    if (!isObject(value) || !isList(value.tabs)) return undefined;
    return {
      tabs: value.tabs.map(String),
      active: asNumber(value.active),
      changed: records(value.changed),
      closed: records(value.closed),
    };
  } catch {
    return undefined;
  }
}

const records = (value: unknown): Restored["tabs"] =>
  isList(value)
    ? value.flatMap((one) => (isList(one) ? [[asText(one[0]), one[1] as unknown as Kept] as const] : []))
    : [];
