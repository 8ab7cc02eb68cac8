import { BYPASS, MUTE, type NodeId } from "../model/document";
import {
  addNode,
  colourNodes,
  disconnect,
  extractNodes,
  removeFrame,
  removeNodes,
  toggleCollapsed,
  toggleMode,
} from "../model/edits";
import { hiddenIn, shiftPart, toggleFolded } from "../model/frames";
import type { Command } from "../model/keys";
import { GRID } from "../model/layout";
import { dotsToNodes, removeDots } from "../model/reroutes";
import type { NodeSchema } from "../model/schema";
import { substitute } from "../model/substitute";
import { clipText, duplicate, pasteText, readClipboard, writeClipboard } from "./clipboard";
import { closeFindably } from "./closing";
import {
  activeTab,
  currentGraph,
  docOf,
  edit,
  editingHere,
  enterView,
  newId,
  newTab,
  redoStep,
  undoStep,
} from "./docs";
import { chooseFile, exportApi, exportWorkflow, openFile, save, saveAs } from "./files";
import { fitView, moving, openSearch, placeHere, theFlow } from "./focus";
import { loadCatalogue, useLibrary } from "./library";
import { rerouteHere } from "./links";
import { goRegion } from "./regions";
import { cancel, run } from "./run";
import { chosen, chosenPart } from "./selection";
import { publishChosen, separateChosen } from "./subgraphs";
import { report, select, toast, togglePanel, useUi } from "./ui";

/** The points of links among what is selected. */
function chosenDots(): ReadonlySet<number> {
  return new Set([...useUi.getState().selection].flatMap((id) => (id.startsWith("dot:") ? Number(id.slice(4)) : [])));
}

function onChosen(label: string, change: (ids: readonly NodeId[]) => Parameters<typeof edit>[1]): () => void {
  return () => {
    const ids = chosen();
    if (ids.length) edit(label, change(ids));
  };
}

function told(what: string, label: string | undefined): void {
  toast(label ? `${what}: ${label}` : "Nothing more.");
}

function removeChosen(): void {
  const { links, frames } = useUi.getState();
  const ids = chosen();
  const dots = chosenDots();
  if (!ids.length && !links.size && !frames.size && !dots.size) return;
  const what = ids.length ? "nodes" : links.size ? "links" : frames.size ? "frame" : "reroute points";
  edit(`delete ${what}`, (doc, at) => {
    let next = ids.length ? removeNodes(doc, at, ids) : doc;
    if (dots.size) next = removeDots(next, at, dots);
    next = disconnect(next, at, links);
    for (const frame of frames) next = removeFrame(next, at, frame);
    return next;
  });
  select([]);
  if (ids.length) offerUndo(ids.length === 1 ? "Deleted a node." : `Deleted ${ids.length} nodes.`);
}

/** Says what was done, with a way back as long as nothing else was done since. */
function offerUndo(what: string): void {
  const done = docOf(activeTab());
  toast(what, "info", {
    label: "Undo",
    run: () => {
      if (docOf(activeTab()) === done) told("Undid", undoStep());
      else toast("There are later steps: undo those first.");
    },
  });
}

/** Takes away what a cut has copied: of frames, what lies in them too. */
export function removeCut(): void {
  const { nodes, frames } = chosenPart();
  edit("cut", (doc, at) =>
    [...frames].reduce((next, id) => removeFrame(next, at, id), removeNodes(doc, at, [...nodes])),
  );
  select([]);
}

function collapseChosen(): void {
  const ids = chosen();
  const frames = [...useUi.getState().frames];
  if (ids.length) edit("collapse", (doc, at) => toggleCollapsed(doc, at, ids));
  if (frames.length && !ids.length) foldFrames(frames);
}

/** Folds frames to their titles, or unfolds them. */
export function foldFrames(ids: readonly number[]): void {
  const around = currentGraph();
  edit("fold frame", (doc, at) => toggleFolded(doc, at, ids, around));
  const { nodes } = hiddenIn(currentGraph().graph);
  select(
    [...useUi.getState().selection].filter((id) => !nodes.has(id)),
    [],
    ids,
  );
}

/** What sets nodes out, and what makes subgraphs of them, is much, and not wanted at once. */
const arranging = (then: (one: typeof import("./arranging")) => void) => () =>
  void import("./arranging").then(then).catch(report);
const wrapping = () => import("../model/wrapping");

async function subgraphChosen(): Promise<void> {
  const { nodes, frames } = chosenPart();
  if (!nodes.size) return;
  const given = { id: newId(), name: "Subgraph", catalogue: useLibrary.getState().catalogue, portId: newId, frames };
  const put = editingHere();
  const { wrapInSubgraph } = await wrapping();
  put("make subgraph", (doc, at) => {
    const [next, id] = wrapInSubgraph(doc, at, nodes, given);
    if (id) select([id]);
    return next;
  });
}

async function unpackChosen(): Promise<void> {
  const { catalogue } = useLibrary.getState();
  const [put, instances] = [editingHere(), chosen()];
  const { unwrapSubgraph } = await wrapping();
  put("unpack subgraph", (doc, at) => {
    let next = doc;
    const made: NodeId[] = [];
    for (const id of instances) {
      const [one, ids] = unwrapSubgraph(next, at, id, catalogue);
      next = one;
      made.push(...ids);
    }
    if (made.length) select(made);
    return next;
  });
}

export function openSubgraph(id: NodeId): void {
  const { doc, graph } = currentGraph();
  const node = graph.nodes.get(id);
  if (!node || !doc.subgraphs.has(node.type)) return;
  enterView([...activeTab().view, id]);
  select([]);
}

/** Makes a node that this server does not know one of a class that it does. */
export function replaceNode(id: NodeId, schema: NodeSchema): void {
  const { catalogue } = useLibrary.getState();
  edit(`replace with ${schema.title}`, (doc, at) => substitute(doc, at, id, schema.type, catalogue));
}

function addHere(type: string): () => void {
  return () => {
    const { place } = placeHere();
    edit("add note", (doc, at) => {
      const [next, id] = addNode(doc, at, type, place);
      select([id]);
      return next;
    });
  };
}

async function copyChosen(): Promise<void> {
  const text = clipText();
  if (!text) return;
  try {
    await writeClipboard(text);
    toast("Copied.");
  } catch (error) {
    report(error);
  }
}

async function pasteChosen(outer: boolean): Promise<void> {
  try {
    pasteText(await readClipboard(), outer);
  } catch (error) {
    report(error);
  }
}

function nudge(x: number, y: number): () => void {
  return () => {
    const part = chosenPart();
    if (part.nodes.size || part.frames.size) edit("move", (doc, at) => shiftPart(doc, at, part, { x, y }));
  };
}

export function runTo(id: NodeId): void {
  const tab = activeTab();
  void run({ upTo: [...tab.view, id].join(":") });
}

function rename(): void {
  const [id] = chosen();
  if (id) useUi.setState({ renaming: id });
}

function explain(): void {
  const [help] = chosen();
  if (help) useUi.setState({ help });
  else toast("Select a node to read about it.");
}

export const COLOURS: readonly { readonly name: string; readonly value: string | undefined }[] = [
  { name: "None", value: undefined },
  { name: "Red", value: "#7a2b35" },
  { name: "Brown", value: "#6b4a2b" },
  { name: "Green", value: "#2b5f43" },
  { name: "Blue", value: "#2b4a7a" },
  { name: "Cyan", value: "#23616b" },
  { name: "Purple", value: "#55357a" },
  { name: "Yellow", value: "#6b6023" },
  { name: "Black", value: "#0c0d10" },
];

export function colourChosen(value: string | undefined): void {
  const ids = chosen();
  if (ids.length) edit("colour", (doc, at) => colourNodes(doc, at, ids, value));
}

export const COMMANDS: readonly Command[] = [
  { id: "run", label: "Run", group: "Run", keys: ["Mod+Enter"], run: () => void run() },
  {
    id: "run-front",
    label: "Run before what waits",
    group: "Run",
    keys: ["Mod+Shift+Enter"],
    run: () => void run({ front: true }),
  },
  { id: "cancel", label: "Cancel the run", group: "Run", keys: ["Mod+Alt+Enter"], run: () => void cancel() },
  { id: "undo", label: "Undo", group: "Edit", keys: ["Mod+Z"], run: () => told("Undid", undoStep()) },
  { id: "redo", label: "Redo", group: "Edit", keys: ["Mod+Shift+Z", "Mod+Y"], run: () => told("Redid", redoStep()) },
  { id: "delete", label: "Delete", group: "Edit", keys: ["Delete", "Backspace"], run: removeChosen },
  {
    id: "delete-heal",
    label: "Delete and heal the links",
    group: "Edit",
    keys: ["Mod+Delete", "Mod+Backspace"],
    run: onChosen("delete and heal", (ids) => (doc, at) => removeNodes(doc, at, ids, true)),
  },
  {
    id: "extract",
    label: "Take out of the flow",
    group: "Edit",
    keys: ["Mod+Shift+X"],
    run: onChosen("take out", (ids) => (doc, at) => extractNodes(doc, at, ids)),
  },
  { id: "copy", label: "Copy", group: "Edit", keys: ["Mod+C"], run: () => void copyChosen() },
  { id: "paste", label: "Paste", group: "Edit", keys: ["Mod+V"], run: () => void pasteChosen(false) },
  {
    id: "paste-linked",
    label: "Paste with its incoming links",
    group: "Edit",
    keys: ["Mod+Shift+V"],
    run: () => void pasteChosen(true),
  },
  { id: "duplicate", label: "Duplicate", group: "Edit", keys: ["Mod+D"], run: duplicate },
  {
    id: "select-all",
    label: "Select all",
    group: "Edit",
    keys: ["Mod+A"],
    run: () => {
      const { nodes, frames } = currentGraph().graph;
      select(nodes.keys(), [], frames.keys());
    },
  },
  { id: "search", label: "Add a node", group: "Node", keys: ["Tab", "Shift+A"], run: openSearch },
  {
    id: "bypass",
    label: "Bypass",
    group: "Node",
    keys: ["B", "Mod+B"],
    run: onChosen("bypass", (ids) => (doc, at) => toggleMode(doc, at, ids, BYPASS)),
  },
  {
    id: "mute",
    label: "Mute",
    group: "Node",
    keys: ["M", "Mod+M"],
    run: onChosen("mute", (ids) => (doc, at) => toggleMode(doc, at, ids, MUTE)),
  },
  {
    id: "collapse",
    label: "Collapse",
    group: "Node",
    keys: ["H"],
    run: collapseChosen,
  },
  { id: "rename", label: "Rename", group: "Node", keys: ["F2"], run: rename },
  { id: "node-help", label: "About this node", group: "Node", keys: ["F1"], run: explain },
  { id: "frame", label: "Frame", group: "Node", keys: ["Mod+G"], run: arranging((one) => one.frameChosen()) },
  {
    id: "subgraph",
    label: "Make a subgraph",
    group: "Node",
    keys: ["Mod+Shift+G"],
    run: () => void subgraphChosen().catch(report),
  },
  {
    id: "unpack",
    label: "Unpack the subgraph",
    group: "Node",
    keys: ["Mod+Shift+U"],
    run: () => void unpackChosen().catch(report),
  },
  {
    id: "separate",
    label: "Give the node a subgraph of its own",
    group: "Node",
    keys: [],
    run: separateChosen,
  },
  {
    id: "publish",
    label: "Keep the subgraph in the library",
    group: "Node",
    keys: [],
    run: () => void publishChosen(),
  },
  {
    id: "dots-to-nodes",
    label: "Make nodes of the reroute points",
    group: "Node",
    keys: [],
    run: () => edit("make nodes of reroute points", dotsToNodes),
  },
  { id: "reroute", label: "Put a reroute into the link", group: "Node", keys: ["R"], run: rerouteHere },
  { id: "note", label: "Add a note", group: "Node", keys: ["N"], run: addHere("MarkdownNote") },
  { id: "tidy", label: "Tidy up the layout", group: "Node", keys: ["L"], run: arranging((one) => one.layOut()) },
  {
    id: "align-left",
    label: "Align left",
    group: "Node",
    keys: ["Alt+ArrowLeft"],
    run: arranging((one) => one.alignChosen("left")),
  },
  {
    id: "align-right",
    label: "Align right",
    group: "Node",
    keys: ["Alt+ArrowRight"],
    run: arranging((one) => one.alignChosen("right")),
  },
  {
    id: "align-top",
    label: "Align top",
    group: "Node",
    keys: ["Alt+ArrowUp"],
    run: arranging((one) => one.alignChosen("top")),
  },
  {
    id: "align-bottom",
    label: "Align bottom",
    group: "Node",
    keys: ["Alt+ArrowDown"],
    run: arranging((one) => one.alignChosen("bottom")),
  },
  {
    id: "spread-across",
    label: "Spread across",
    group: "Node",
    keys: ["Alt+Shift+ArrowRight"],
    run: arranging((one) => one.alignChosen("across")),
  },
  {
    id: "spread-down",
    label: "Spread down",
    group: "Node",
    keys: ["Alt+Shift+ArrowDown"],
    run: arranging((one) => one.alignChosen("down")),
  },
  { id: "left", label: "Move left", group: "Node", keys: ["Mod+ArrowLeft"], run: nudge(-GRID, 0) },
  { id: "right", label: "Move right", group: "Node", keys: ["Mod+ArrowRight"], run: nudge(GRID, 0) },
  { id: "up", label: "Move up", group: "Node", keys: ["Mod+ArrowUp"], run: nudge(0, -GRID) },
  { id: "down", label: "Move down", group: "Node", keys: ["Mod+ArrowDown"], run: nudge(0, GRID) },
  {
    id: "next-region",
    label: "Go to the next part of the screen",
    group: "View",
    keys: ["F6"],
    run: () => goRegion(1),
  },
  {
    id: "previous-region",
    label: "Go to the part of the screen before",
    group: "View",
    keys: ["Shift+F6"],
    run: () => goRegion(-1),
  },
  {
    id: "palette",
    label: "Command palette",
    group: "View",
    keys: ["Mod+K"],
    run: () => useUi.setState({ palette: true }),
  },
  { id: "fit", label: "Show the selection, or all", group: "View", keys: ["F"], run: () => fitView(chosen()) },
  { id: "fit-all", label: "Show all", group: "View", keys: ["Home"], run: () => fitView() },
  {
    id: "zoom-1",
    label: "Zoom to 100 %",
    group: "View",
    keys: ["1"],
    run: () => void theFlow()?.zoomTo(1, moving()),
  },
  {
    id: "zoom-in",
    label: "Zoom in",
    group: "View",
    keys: ["+", "="],
    run: () => void theFlow()?.zoomIn(moving(120)),
  },
  {
    id: "zoom-out",
    label: "Zoom out",
    group: "View",
    keys: ["-"],
    run: () => void theFlow()?.zoomOut(moving(120)),
  },
  {
    id: "zen",
    label: "Hide all panels",
    group: "View",
    keys: ["\\"],
    run: () => useUi.setState((state) => ({ zen: !state.zen })),
  },
  {
    id: "minimap",
    label: "Minimap",
    group: "View",
    keys: [],
    run: () => useUi.setState((state) => ({ minimap: !state.minimap })),
  },
  { id: "outline", label: "Outline", group: "View", keys: ["O"], run: () => togglePanel("left", "outline") },
  { id: "library", label: "Node library", group: "View", keys: [], run: () => togglePanel("left", "nodes") },
  {
    id: "workflows",
    label: "Saved workflows",
    group: "View",
    keys: ["W"],
    run: () => togglePanel("left", "workflows"),
  },
  { id: "templates", label: "Templates", group: "View", keys: ["T"], run: () => togglePanel("left", "templates") },
  { id: "queue", label: "Queue", group: "View", keys: ["Q"], run: () => togglePanel("right", "queue") },
  { id: "gallery", label: "Gallery", group: "View", keys: ["G"], run: () => togglePanel("right", "gallery") },
  { id: "form", label: "Form", group: "View", keys: ["P"], run: () => togglePanel("right", "form") },
  { id: "inspector", label: "Inspector", group: "View", keys: ["I"], run: () => togglePanel("right", "inspector") },
  {
    id: "theme",
    label: "Dark or light",
    group: "View",
    keys: [],
    run: () => useUi.setState({ theme: document.documentElement.dataset.theme === "light" ? "dark" : "light" }),
  },
  {
    id: "shortcuts",
    label: "Keyboard shortcuts",
    group: "View",
    keys: ["?"],
    run: () => useUi.setState({ shortcuts: true }),
  },
  { id: "settings", label: "Settings", group: "View", keys: ["Mod+,"], run: () => useUi.setState({ settings: true }) },
  {
    id: "leave",
    label: "Leave the subgraph",
    group: "View",
    keys: ["U"],
    run: () => enterView(activeTab().view.slice(0, -1)),
  },
  { id: "new", label: "New workflow", group: "File", keys: ["Mod+Alt+N"], run: newTab },
  { id: "close", label: "Close the tab", group: "File", keys: [], run: () => closeFindably(activeTab()) },
  {
    id: "open",
    label: "Open a file",
    group: "File",
    keys: ["Mod+O"],
    run: () => chooseFile(".json,.png,.webp,.jpg,.jpeg", (file) => void openFile(file)),
  },
  { id: "save", label: "Save", group: "File", keys: ["Mod+S"], run: () => void save() },
  {
    id: "save-as",
    label: "Save as",
    group: "File",
    keys: ["Mod+Shift+S"],
    run: saveAs,
  },
  { id: "export", label: "Download the workflow", group: "File", keys: [], run: exportWorkflow },
  { id: "export-api", label: "Download in the API format", group: "File", keys: [], run: exportApi },
  {
    id: "refresh",
    label: "Read the nodes and models again",
    group: "File",
    keys: ["Shift+R"],
    run: () => void loadCatalogue(),
  },
];

const byId = new Map(COMMANDS.map((command) => [command.id, command]));

export function command(id: string): Command {
  const found = byId.get(id);
  if (!found) throw new Error(`There is no command ${id}.`);
  return found;
}

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

/** How the keys are written for the person at this machine. */
export function keyLabel(keys: string): string {
  const names: Readonly<Record<string, string>> = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  return keys
    .split(/\+(?=.)/)
    .map((key) => (key === "Mod" ? (isMac ? "⌘" : "Ctrl") : (names[key] ?? key)))
    .join(isMac ? "" : "+");
}

export const currentDoc = () => docOf(activeTab());
