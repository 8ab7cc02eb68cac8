/*
 * Small things that the browser keeps between visits, or for a window. Where it keeps nothing (cookies are blocked, the
 * room is full) they last as long as the page.
 */

type Place = "localStorage" | "sessionStorage";

const here = new Map<string, string>();

/** The text under a name. Only asking for the storage can throw, where a browser was told to keep nothing. */
export function keptText(key: string, place: Place = "localStorage"): string | undefined {
  try {
    return globalThis[place].getItem(key) ?? undefined;
  } catch {
    return here.get(key);
  }
}

/** Keeps a text under a name, or forgets it. False where it will not outlast the page. */
export function keepText(key: string, text: string | undefined, place: Place = "localStorage"): boolean {
  try {
    if (text === undefined) globalThis[place].removeItem(key);
    else globalThis[place].setItem(key, text);
    return true;
  } catch {
    if (text === undefined) here.delete(key);
    else here.set(key, text);
    return false;
  }
}

/** The value under a name, or undefined where there is none that can be read. */
export function keptValue(key: string): unknown {
  try {
    return JSON.parse(keptText(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** The texts under a name that holds a list. */
export function keptList(key: string): readonly string[] {
  const value = keptValue(key);
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

export const keepValue = (key: string, value: unknown): boolean => keepText(key, JSON.stringify(value));
