import { createStore, del, delMany, entries, get, set, setMany, type UseStore } from "idb-keyval";
import { isList, type JsonObject } from "../model/json";
import { keepText, keptText } from "./kept";

/*
 * What the browser keeps of each open document. A window owns a session, which names its documents; a session whose
 * window is gone was closed or has crashed, and what it had not saved is a draft until somebody opens or discards it.
 */

export interface Kept {
  readonly name: string;
  readonly path?: string;
  readonly version?: string;
  readonly dirty: boolean;
  readonly changed: number;
  readonly file: JsonObject;
}

interface Session {
  readonly tabs: readonly string[];
  readonly active: number;
  readonly seen: number;
}

export interface Draft extends Kept {
  readonly key: string;
  readonly nodes: number;
}

/** What the page tells itself when a document that was closed has become a draft. */
export const DRAFTS_CHANGED = "sfumato:drafts";

const SESSION = "session ";
const CLOSED = "closed ";
const MOST_CLOSED = 30;

let opened: UseStore | undefined;
const database = () => {
  opened ??= createStore("sfumato", "tabs");
  return opened;
};

const OWN = "sfumato.session";
let own: string | undefined;

/** The name of this window's session: kept through a reload, and another's in a window that was duplicated. */
async function ownSession(newId: () => string): Promise<string> {
  if (own) return own;
  const known = keptText(OWN, "sessionStorage");
  own = known && (await hold(known)) ? known : newId();
  if (own !== known) await hold(own);
  keepText(OWN, own, "sessionStorage");
  return own;
}

/** A page that is loaded again may begin before the old one has let go; a window that was duplicated never lets go. */
const letGoMs = () => {
  const [begun] = performance.getEntriesByType("navigation");
  return begun instanceof PerformanceNavigationTiming && begun.type === "reload" ? 15_000 : 1500;
};

/** Shows other windows that the session has a window. False where it has one already. */
async function hold(session: string): Promise<boolean> {
  if (!navigator.locks) return !(await liveSessions()).has(SESSION + session);
  return new Promise((resolve) => {
    const held = () => {
      resolve(true);
      return new Promise<never>(() => undefined);
    };
    const signal = AbortSignal.timeout(letGoMs());
    navigator.locks.request(SESSION + session, { signal }, held).catch(() => resolve(false));
  });
}

async function liveSessions(): Promise<ReadonlySet<string>> {
  if (!navigator.locks) return asked ?? othersByAsking();
  const locks = await navigator.locks.query();
  return new Set(locks.held?.map((lock) => lock.name ?? "") ?? []);
}

/** How long another window may take to say that it is there. */
const ANSWER_MS = 1000;
/** While a session is taken, one answer serves for all that has to be known. */
let asked: Promise<ReadonlySet<string>> | undefined;
let answering: BroadcastChannel | undefined;

/** The sessions of other windows where the browser has no locks, which it has on HTTPS and this machine alone. */
function othersByAsking(): Promise<ReadonlySet<string>> {
  answerOthers();
  const channel = new BroadcastChannel(WINDOWS);
  const found = new Set<string>();
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "string" && data !== ASK) found.add(data);
  };
  channel.postMessage(ASK);
  return new Promise((resolve) => {
    setTimeout(() => {
      channel.close();
      resolve(found);
    }, ANSWER_MS);
  });
}

const WINDOWS = "sfumato.windows";
const ASK = "who is there";

function answerOthers(): void {
  if (answering) return;
  const channel = new BroadcastChannel(WINDOWS);
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (data === ASK && own) channel.postMessage(SESSION + own);
  };
  answering = channel;
}

export interface Restored {
  readonly tabs: readonly (readonly [id: string, kept: Kept])[];
  readonly active: number;
}

/** What this window had open before it was loaded again; in a new window, what the last one had that is gone. */
export async function takeSession(newId: () => string): Promise<Restored> {
  if (!navigator.locks) asked = othersByAsking();
  const mine = await ownOrInherited(newId).finally(() => {
    asked = undefined;
  });
  const all = await Promise.all((mine?.tabs ?? []).map(async (id) => [id, await get<Kept>(id, database())] as const));
  return { tabs: all.flatMap(([id, kept]) => (kept ? [[id, kept] as const] : [])), active: mine?.active ?? 0 };
}

async function ownOrInherited(newId: () => string): Promise<Session | undefined> {
  const key = SESSION + (await ownSession(newId));
  return (await get<Session>(key, database())) ?? inherit(key);
}

async function inherit(key: string): Promise<Session | undefined> {
  const [latest] = await leftSessions();
  if (!latest) return undefined;
  const [from, session] = latest;
  await set(key, session, database());
  await del(from, database());
  return session;
}

/** Sessions without a window, the latest first. */
async function leftSessions(): Promise<readonly (readonly [string, Session])[]> {
  const live = await liveSessions();
  const all = await entries<string, Session>(database());
  return all
    .filter(([key]) => key.startsWith(SESSION) && !live.has(key) && key !== SESSION + own)
    .sort(([, a], [, b]) => b.seen - a.seen);
}

/** Keeps what is open in this window. Documents come after the list of them, so that none is ever without an owner. */
export async function keepSession(
  tabs: readonly string[],
  active: number,
  changed: readonly (readonly [string, Kept])[],
): Promise<void> {
  await set(SESSION + own, { tabs, active, seen: Date.now() } satisfies Session, database());
  if (!changed.length) return;
  await setMany(
    changed.map(([id, kept]) => [id, kept]),
    database(),
  );
  await delMany(
    changed.map(([id]) => CLOSED + id),
    database(),
  );
}

/** Makes a draft of a document that was closed, if there is something to lose. */
export async function closeRecord(id: string, kept: Kept): Promise<void> {
  if (isDraft(kept)) await set(CLOSED + id, kept, database());
  await del(id, database());
  document.dispatchEvent(new Event(DRAFTS_CHANGED));
}

const nodeCount = ({ file }: Kept) => (isList(file.nodes) ? file.nodes.length : 0);
const isDraft = (kept: Kept) => kept.dirty && nodeCount(kept) > 0;

/** Everything that was closed or left behind without being saved, the newest first. */
export async function listDrafts(): Promise<readonly Draft[]> {
  const left = new Set((await leftSessions()).flatMap(([, session]) => session.tabs));
  const all = await entries<string, Kept>(database());
  const closed = all.filter(([key]) => key.startsWith(CLOSED)).sort(([, a], [, b]) => b.changed - a.changed);
  const old = closed.slice(MOST_CLOSED).map(([key]) => key);
  if (old.length) await delMany(old, database());
  const orphans = all.filter(([key, kept]) => left.has(key) && isDraft(kept));
  return [...closed.slice(0, MOST_CLOSED), ...orphans]
    .map(([key, kept]) => ({ ...kept, key, nodes: nodeCount(kept) }))
    .sort((a, b) => b.changed - a.changed);
}

export const discardDraft = (key: string) => del(key, database());
