import { create } from "zustand";
import { bytesBeside } from "../model/bytes";
import { type Doc, emptyDoc, type GraphId, graphOf, type NodeId, ROOT } from "../model/document";
import { abandon, commit, gesture, type History, redo, settle, startHistory, undo } from "../model/history";
import { isExposed, toggleExposed } from "../model/ports";
import type { Surroundings } from "../model/shape";
import { useLibrary } from "./library";
import { select } from "./ui";

export interface Tab {
  readonly id: string;
  readonly name: string;
  /** Where it is saved on the server, once it is. */
  readonly path?: string;
  /** Which version of it the server had when it was opened or saved. */
  readonly version?: string;
  readonly history: History<Doc>;
  /** The document as it was last saved, to tell whether there is something to save. */
  readonly saved?: Doc;
  /** The subgraph instances one went into, outermost first. */
  readonly view: readonly NodeId[];
}

interface Docs {
  readonly tabs: readonly Tab[];
  readonly active: string;
}

/** A new UUID, also where the page came over plain HTTP and `crypto.randomUUID` is not to be had. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte, i) => (i === 6 ? (byte & 15) | 64 : i === 8 ? (byte & 63) | 128 : byte));
  const digits = hex.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function makeTab(name: string, doc: Doc, more: Partial<Tab> = {}): Tab {
  return { id: newId(), name, history: startHistory(doc, bytesBeside), view: [], saved: doc, ...more };
}

const first = makeTab("Untitled", emptyDoc(newId()));

export const useDocs = create<Docs>(() => ({ tabs: [first], active: first.id }));

// What is selected is selected in what is in view: nodes of another workflow may have the same names.
useDocs.subscribe((now, before) => {
  if (now.active !== before.active) select([]);
});

export function activeTab(state: Docs = useDocs.getState()): Tab {
  return (state.tabs.find((tab) => tab.id === state.active) ?? state.tabs[0]) as Tab;
}

export function tabById(id: string): Tab | undefined {
  return useDocs.getState().tabs.find((tab) => tab.id === id);
}

export const docOf = (tab: Tab) => tab.history.present;
export const isDirty = (tab: Tab) => tab.history.present !== tab.saved;
export const isBlank = (tab: Tab) => tab.history.present.root.nodes.size === 0 && tab.history.past.length === 0;

/** The graph that the tab shows: the root, or the definition at the end of its view. */
export function graphIdOf(tab: Tab): GraphId {
  return followPath(docOf(tab), tab.view) ?? ROOT;
}

function followPath(doc: Doc, view: readonly NodeId[]): GraphId | undefined {
  let at: GraphId = ROOT;
  for (const id of view) {
    const node = graphOf(doc, at).nodes.get(id);
    if (!node || !doc.subgraphs.has(node.type)) return undefined;
    at = node.type;
  }
  return at;
}

/** Where a node of the prompt ("57:28") is in the document. */
export function locate(doc: Doc, path: string): { readonly at: GraphId; readonly id: NodeId } | undefined {
  const parts = path.split(":");
  const id = parts.pop() as string;
  const at = followPath(doc, parts);
  return at !== undefined && graphOf(doc, at).nodes.has(id) ? { at, id } : undefined;
}

export function currentGraph(tab: Tab = activeTab()): Surroundings & { readonly at: GraphId } {
  const at = graphIdOf(tab);
  const doc = docOf(tab);
  return { catalogue: useLibrary.getState().catalogue, doc, graph: graphOf(doc, at), at };
}

/** The instance that one went into to see the graph in view, in the graph that it is in. */
export function instanceInView(tab: Tab): { readonly at: GraphId; readonly id: NodeId } | undefined {
  const id = tab.view[tab.view.length - 1];
  const at = followPath(docOf(tab), tab.view.slice(0, -1));
  return id === undefined || at === undefined ? undefined : { at, id };
}

/** Whether the subgraph's node shows this widget of a node in it. Nothing where the view is no subgraph. */
export function exposure(inner: NodeId, widget: string, tab: Tab = activeTab()): boolean | undefined {
  const place = instanceInView(tab);
  const instance = place && graphOf(docOf(tab), place.at).nodes.get(place.id);
  return instance && isExposed(instance, inner, widget);
}

/** Shows a widget of the graph in view on the subgraph's node, or hides it there. */
export function expose(inner: NodeId, widget: string): void {
  const place = instanceInView(activeTab());
  if (!place) return;
  const { catalogue } = useLibrary.getState();
  const label = exposure(inner, widget) ? "hide from the subgraph" : "show on the subgraph";
  edit(label, (doc) => toggleExposed(doc, place.at, place.id, { node: inner, widget }, catalogue));
}

function changeTab(id: string, change: (tab: Tab) => Tab): void {
  useDocs.setState((state) => ({ tabs: state.tabs.map((tab) => (tab.id === id ? change(tab) : tab)) }));
}

function changeHistory(change: (history: History<Doc>) => History<Doc>, id = activeTab().id): void {
  changeTab(id, (tab) => {
    const history = change(tab.history);
    if (history === tab.history) return tab;
    // Undoing the making of a subgraph must not leave the editor inside it.
    const view = followPath(history.present, tab.view) === undefined ? [] : tab.view;
    return { ...tab, history, view };
  });
}

type Change = (doc: Doc, at: GraphId) => Doc;

/** One edit of the graph in view: one step of undo. */
export function edit(label: string, change: Change): void {
  editingHere()(label, change);
}

/** Edits of the graph in view now, for later: by then another may be in view, or this one's tab may be closed. */
export function editingHere(): (label: string, change: Change) => void {
  const tab = activeTab();
  const at = graphIdOf(tab);
  return (label, change) =>
    changeHistory((history) => commit(history, change(settle(history).present, at), label), tab.id);
}

/** One edit among many of a gesture; `endGesture` or another edit makes them one step. */
export function editDuring(key: string, label: string, change: Change): void {
  const at = graphIdOf(activeTab());
  changeHistory((history) => gesture(history, key, change(history.present, at), label));
}

export const endGesture = () => changeHistory(settle);
export const abandonGesture = () => changeHistory(abandon);

/** Undoes a step and says which. */
export function undoStep(): string | undefined {
  const label = lastLabel(activeTab().history);
  changeHistory(undo);
  return label;
}

function lastLabel(history: History<Doc>): string | undefined {
  const settled = settle(history);
  return settled.past[settled.past.length - 1]?.label;
}

export function redoStep(): string | undefined {
  const label = activeTab().history.future[0]?.label;
  changeHistory(redo);
  return label;
}

/** Changes that are no step: what a run does to seeds. */
export function amend(tabId: string, change: (doc: Doc) => Doc): void {
  changeTab(tabId, (tab) => {
    const present = change(tab.history.present);
    return present === tab.history.present ? tab : { ...tab, history: { ...tab.history, present } };
  });
}

export function openTab(name: string, doc: Doc, more: Partial<Tab> = {}): string {
  const current = activeTab();
  const tab = makeTab(name, doc, more);
  useDocs.setState((state) => ({
    tabs: isBlank(current) ? state.tabs.map((one) => (one.id === current.id ? tab : one)) : [...state.tabs, tab],
    active: tab.id,
  }));
  return tab.id;
}

export function newTab(): void {
  const tab = makeTab("Untitled", emptyDoc(newId()));
  useDocs.setState((state) => ({ tabs: [...state.tabs, tab], active: tab.id }));
}

export function closeTab(id: string): void {
  useDocs.setState((state) => {
    const at = state.tabs.findIndex((tab) => tab.id === id);
    const left = state.tabs.filter((tab) => tab.id !== id);
    const tabs = left.length ? left : [makeTab("Untitled", emptyDoc(newId()))];
    const active = state.active === id ? (tabs[Math.min(at, tabs.length - 1)] as Tab).id : state.active;
    return { tabs, active };
  });
}

export const showTab = (id: string) => useDocs.setState({ active: id });
export const enterView = (view: readonly NodeId[]) => changeTab(activeTab().id, (tab) => ({ ...tab, view }));

/** Notes that the document is saved as it was when it was sent. */
export function markSaved(id: string, as: Pick<Tab, "name" | "path" | "version" | "saved">): void {
  changeTab(id, (tab) => ({ ...tab, ...as }));
}

/** Notes that the file of a path has another, so that what is open of it is saved there. */
export function noteMoved(from: string, path: string, name: string): void {
  useDocs.setState(({ tabs }) => ({ tabs: tabs.map((tab) => (tab.path === from ? { ...tab, path, name } : tab)) }));
}

export const renameTab = (id: string, name: string) => changeTab(id, (tab) => ({ ...tab, name }));

export function restoreTabs(
  tabs: readonly (Pick<Tab, "id" | "name" | "path" | "version"> & { readonly doc: Doc; readonly dirty: boolean })[],
  active: number,
): void {
  const made = tabs.map(({ name, doc, dirty, ...rest }) =>
    makeTab(name, doc, { ...rest, saved: dirty ? undefined : doc }),
  );
  // What was opened while the old ones were read is what the person wants to see.
  const opened = useDocs.getState().tabs.filter((tab) => !isBlank(tab));
  const chosen = opened.at(-1) ?? made[active] ?? made[0];
  if (chosen) useDocs.setState({ tabs: [...made, ...opened], active: chosen.id });
}
