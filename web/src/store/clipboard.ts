import { type Doc, graphOf, type NodeId } from "../model/document";
import { openEditorFile, saveEditorFile } from "../model/editorFile";
import { bounds, boxOf, copyNodes, paste, surroundings } from "../model/edits";
import { isObject, readJson, writeJson } from "../model/json";
import { currentGraph, edit, newId } from "./docs";
import { placeHere } from "./focus";
import { useLibrary } from "./library";
import { select, useUi } from "./ui";

const MARK = "sfumato-clip";

/** What was copied last in this window: all there is where the browser gives pages no clipboard, as on plain HTTP. */
let copied = "";

export async function writeClipboard(text: string): Promise<void> {
  copied = text;
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyFromField(text);
}

/** The way that is open to pages without a clipboard. */
function copyFromField(text: string): void {
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export const readClipboard = async (): Promise<string> => navigator.clipboard?.readText() ?? copied;

/** Notes what the system's own copy took. */
export function noteCopied(text: string): void {
  copied = text;
}

/** The selected nodes as text: a small editor file that any window, or a person, can read. */
export function clipText(): string | undefined {
  const { doc, at } = currentGraph();
  const { selection } = useUi.getState();
  if (!selection.size) return undefined;
  const clip = copyNodes(doc, at, selection);
  const graph = graphOf(doc, at);
  const nodes = new Map(clip.nodes.map((node) => [node.id, node]));
  const inside = clip.links.filter((link) => nodes.has(link.from));
  const outside = clip.links.filter((link) => !nodes.has(link.from));
  const part: Doc = {
    ...doc,
    root: { ...graph, nodes, links: new Map(inside.map((link) => [link.id, link])), frames: new Map() },
    subgraphs: new Map(clip.subgraphs.map((one) => [one.id, one])),
    form: [],
    extra: {},
  };
  const file = saveEditorFile(part, useLibrary.getState().catalogue);
  return writeJson({ ...file, [MARK]: { outside: outside.map((link) => ({ ...link })) } });
}

/** Pastes what `clipText` gave, at the pointer; with `outer`, linked to what fed it. False where the text is something else. */
export function pasteText(text: string, outer = false): boolean {
  if (!text.includes(MARK)) return false;
  const value = readJson(text);
  if (!isObject(value) || !isObject(value[MARK])) return false;
  const { catalogue } = useLibrary.getState();
  const part = openEditorFile(value, catalogue, newId);
  const { place } = placeHere();
  const around = surroundings(part, "root", catalogue);
  const nodes = [...part.root.nodes.values()];
  const box = bounds(nodes.map((node) => boxOf(node, around)));
  if (!box) return true;
  const shift = {
    x: Math.round((place.x - box.x - box.width / 2) / 16) * 16,
    y: Math.round((place.y - box.y) / 16) * 16,
  };
  const outside = (value[MARK].outside ?? []) as unknown as Doc["root"]["links"] extends ReadonlyMap<number, infer L>
    ? L[]
    : never;
  const clip = {
    nodes,
    links: [...part.root.links.values(), ...outside],
    frames: [],
    subgraphs: [...part.subgraphs.values()],
  };
  pasteClip(clip, shift, outer);
  return true;
}

function pasteClip(clip: Parameters<typeof paste>[2], shift: { x: number; y: number }, outer: boolean): void {
  let ids: readonly NodeId[] = [];
  edit("paste", (doc, at) => {
    const [next, made] = paste(doc, at, clip, shift, outer);
    ids = made;
    return next;
  });
  select(ids);
}

export function duplicate(): void {
  const { doc, at } = currentGraph();
  const { selection } = useUi.getState();
  if (selection.size) pasteClip(copyNodes(doc, at, selection), { x: 32, y: 32 }, true);
}
