import type { Doc } from "../model/document";
import { saveEditorFile } from "../model/saveFile";
import { activeTab, docOf, isDirty, newId, openTab, restoreTabs, type Tab, useDocs } from "./docs";
import { closeRecord, type Draft, discardDraft, type Kept, keepSession, listDrafts, takeSession } from "./drafts";
import { reopen } from "./files";
import { useLibrary } from "./library";
import { rescue, withRescued } from "./rescue";
import { toast, useUi } from "./ui";

/* Every document is kept in the browser's own store, half a second after a change. */

const WAIT_MS = 500;
/** As long as changes go on they are kept at this pace. */
const LONGEST_MS = 3000;

const record = (tab: Tab): Kept => ({
  name: tab.name,
  path: tab.path,
  version: tab.version,
  dirty: isDirty(tab),
  changed: Date.now(),
  file: saveEditorFile(docOf(tab), useLibrary.getState().catalogue),
});

const records = (tabs: readonly Tab[]) => tabs.map((tab) => [tab.id, record(tab)] as const);

const stamps = new WeakMap<Doc, number>();
let stamped = 0;

/** Differs whenever there is something new to keep of the tab. */
function stateOf(tab: Tab): string {
  const doc = docOf(tab);
  const stamp = stamps.get(doc) ?? ++stamped;
  stamps.set(doc, stamp);
  return [stamp, isDirty(tab), tab.name, tab.path, tab.version].join(" ");
}

/** Opens the documents that were open last time, and says where others left some unsaved. */
export async function restore(): Promise<void> {
  const { tabs, active, closed } = withRescued(await takeSession(newId));
  for (const [id, kept] of closed) await closeRecord(id, kept);
  const opened = tabs.flatMap(([id, { name, path, version, dirty, file }]) => {
    const doc = reopen(file);
    return doc ? [{ id, name, path, version, doc, dirty }] : [];
  });
  restoreTabs(opened, active);
  const drafts = await listDrafts();
  const lately = drafts.filter((draft) => !draft.key.startsWith("closed "));
  if (lately.length)
    toast(
      `${lately.length === 1 ? "A workflow" : `${lately.length} workflows`} of a window that is gone: not saved.`,
      "info",
      {
        label: "Show",
        run: () => useUi.setState({ left: "workflows" }),
      },
    );
}

export async function openDraft(draft: Draft): Promise<void> {
  const doc = reopen(draft.file);
  if (!doc) return;
  openTab(draft.name, doc, { path: draft.path, version: draft.version, saved: undefined });
  await discardDraft(draft.key);
}

/** Keeps what changes from now on, and warns where another window has the same document open. */
export function startKeeping(): () => void {
  const written = new Map<string, string>();
  let closed: readonly Tab[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let since: number | undefined;
  let order = "";
  const unwritten = () => {
    const { tabs } = useDocs.getState();
    const changed = tabs.filter((tab) => written.get(tab.id) !== stateOf(tab));
    const active = tabs.findIndex((tab) => tab.id === activeTab().id);
    return { tabs: tabs.map((tab) => tab.id), active, changed };
  };
  const orderOf = ({ tabs, active }: ReturnType<typeof unwritten>) => [active, ...tabs].join(" ");
  const write = async () => {
    since = undefined;
    // What is closed while this is written is in the next one's list of what is open no more.
    const [now, gone] = [unwritten(), closed];
    const states = now.changed.map((tab) => [tab.id, stateOf(tab)] as const);
    await keepSession(now.tabs, now.active, records(now.changed));
    order = orderOf(now);
    for (const [id, state] of states) written.set(id, state);
    for (const tab of gone) {
      written.delete(tab.id);
      await closeRecord(tab.id, record(tab));
      // Until now a window that is left has to rescue it.
      closed = closed.filter((one) => one !== tab);
    }
  };
  const keep = () =>
    void write().then(
      () => useUi.setState({ keeps: true }),
      () => {
        if (useUi.getState().keeps)
          toast("This browser keeps nothing of what is open here. Save or download it before you leave.", "error");
        useUi.setState({ keeps: false });
      },
    );
  const soon = ({ tabs }: { readonly tabs: readonly Tab[] }, before = { tabs }) => {
    closed = [...closed, ...before.tabs.filter((tab) => !tabs.some((one) => one.id === tab.id))];
    clearTimeout(timer);
    since ??= performance.now();
    const wait = Math.min(WAIT_MS, Math.max(0, since + LONGEST_MS - performance.now()));
    timer = setTimeout(keep, wait);
  };
  const leave = () => {
    const now = unwritten();
    if (now.changed.length || closed.length || orderOf(now) !== order)
      rescue({ ...now, changed: records(now.changed), closed: records(closed) });
  };
  const stopDocs = useDocs.subscribe(soon);
  const now = () => {
    if (document.visibilityState === "hidden") keep();
  };
  document.addEventListener("visibilitychange", now);
  window.addEventListener("pagehide", leave);
  const stopWatch = watchOtherWindows();
  soon(useDocs.getState());
  return () => {
    stopDocs();
    stopWatch();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", now);
    window.removeEventListener("pagehide", leave);
  };
}

function watchOtherWindows(): () => void {
  const channel = new BroadcastChannel("sfumato");
  channel.onmessage = ({ data }: MessageEvent<{ kind: string; path: string }>) => {
    const mine = useDocs.getState().tabs.find((tab) => tab.path && tab.path === data.path);
    if (!mine) return;
    toast(`${mine.name} is open in another window too.`, "error");
    if (data.kind === "opened") channel.postMessage({ kind: "also", path: data.path });
  };
  let known = new Set<string>();
  const stop = useDocs.subscribe(({ tabs }) => {
    const paths = new Set(tabs.flatMap((tab) => (tab.path ? [tab.path] : [])));
    for (const path of paths) if (!known.has(path)) channel.postMessage({ kind: "opened", path });
    known = paths;
  });
  return () => {
    stop();
    channel.close();
  };
}
