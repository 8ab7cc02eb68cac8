import { createStore, delMany, get, keys, set } from "idb-keyval";
import { saveEditorFile } from "../model/editorFile";
import type { JsonObject } from "../model/json";
import { activeTab, docOf, isDirty, restoreTabs, type Tab, useDocs } from "./docs";
import { reopen } from "./files";
import { useLibrary } from "./library";
import { report, toast } from "./ui";

/* Every tab is kept in the browser's own store, one record each, half a second after a change. */

const WAIT_MS = 500;
const DROPPED = "dropped ";
const database = () => createStore("sfumato", "tabs");

interface Kept {
  readonly name: string;
  readonly path?: string;
  readonly dirty: boolean;
  readonly file: JsonObject;
}

interface Index {
  readonly tabs: readonly string[];
  readonly active: number;
}

const record = (tab: Tab): Kept => ({
  name: tab.name,
  path: tab.path,
  dirty: isDirty(tab),
  file: saveEditorFile(docOf(tab), useLibrary.getState().catalogue),
});

/** Opens the tabs that were open last time. Gives whether there were any. */
export async function restore(): Promise<boolean> {
  const store = database();
  const index = await get<Index>("index", store);
  if (!index?.tabs.length) return false;
  const kept = await Promise.all(index.tabs.map((id) => get<Kept>(id, store)));
  const tabs = kept.flatMap((one) => {
    const doc = one && reopen(one.file);
    return one && doc ? [{ name: one.name, path: one.path, doc, dirty: one.dirty }] : [];
  });
  if (!tabs.length) return false;
  restoreTabs(tabs, index.active);
  return tabs.some((tab) => tab.doc.root.nodes.size > 0);
}

/** Keeps what changes from now on, and warns where another window has the same document open. */
export function startKeeping(): () => void {
  const store = database();
  const written = new Map<string, unknown>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = async () => {
    const { tabs } = useDocs.getState();
    for (const tab of tabs) {
      if (written.get(tab.id) === tab.history.present) continue;
      await set(tab.id, record(tab), store);
      written.set(tab.id, tab.history.present);
    }
    const active = tabs.findIndex((tab) => tab.id === activeTab().id);
    await set("index", { tabs: tabs.map((tab) => tab.id), active } satisfies Index, store);
    await sweep(new Set(tabs.map((tab) => tab.id)));
  };
  const sweep = async (live: ReadonlySet<string>) => {
    const stale = (await keys<string>(store)).filter(
      (key) => key !== "index" && !key.startsWith(DROPPED) && !live.has(key),
    );
    if (stale.length) await delMany(stale, store);
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void write().catch(report), WAIT_MS);
  };
  const stopDocs = useDocs.subscribe(soon);
  const now = () => {
    if (document.visibilityState === "hidden") void write().catch(report);
  };
  document.addEventListener("visibilitychange", now);
  const stopWatch = watchOtherWindows();
  soon();
  return () => {
    stopDocs();
    stopWatch();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", now);
  };
}

function watchOtherWindows(): () => void {
  const channel = new BroadcastChannel("sfumato");
  channel.onmessage = ({ data }: MessageEvent<{ kind: string; path: string }>) => {
    const mine = useDocs.getState().tabs.find((tab) => tab.path && tab.path === data.path);
    if (!mine) return;
    toast(`${mine.name} is open in another window too. The one that saves last wins.`, "error");
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
