import { type Clip, copyPart, type Pasted, paste } from "../model/clip";
import { type Doc, graphOf, type Link } from "../model/document";
import { openEditorFile } from "../model/editorFile";
import { bounds, boxOf, type Point, surroundings } from "../model/edits";
import { frameBox } from "../model/frames";
import { isObject, readJson, writeJson } from "../model/json";
import { saveEditorFile } from "../model/saveFile";
import { clashing, withNewIds } from "../model/subgraphs";
import { currentGraph, edit, newId } from "./docs";
import { placeHere } from "./focus";
import { useLibrary } from "./library";
import { chosenPart } from "./selection";
import { select } from "./ui";

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

/** Some browsers let a page write to the clipboard only. */
export const readClipboard = async (): Promise<string> => navigator.clipboard?.readText?.() ?? copied;

/** Notes what the system's own copy took. */
export function noteCopied(text: string): void {
  copied = text;
}

function chosenClip(): Clip | undefined {
  const { doc, at } = currentGraph();
  const clip = copyPart(doc, at, chosenPart());
  return clip.nodes.length || clip.frames.length ? clip : undefined;
}

/** The selection as text: a small editor file that any window, or a person, can read. */
export function clipText(): string | undefined {
  const { doc, at } = currentGraph();
  const clip = chosenClip();
  if (!clip) return undefined;
  const graph = graphOf(doc, at);
  const nodes = new Map(clip.nodes.map((node) => [node.id, node]));
  const inside = clip.links.filter((link) => nodes.has(link.from));
  const outside = clip.links.filter((link) => !nodes.has(link.from));
  const part: Doc = {
    ...doc,
    root: {
      ...graph,
      nodes,
      links: new Map(inside.map((link) => [link.id, link])),
      frames: new Map(clip.frames.map((frame) => [frame.id, frame])),
    },
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
  const outside = (value[MARK].outside ?? []) as unknown as Link[];
  pasteDoc(openEditorFile(value, useLibrary.getState().catalogue, newId), outside, outer);
  return true;
}

/** Pastes all of a document at the pointer, with links from what it was copied from. */
export function pasteDoc(given: Doc, outside: readonly Link[] = [], outer = false): void {
  const { catalogue } = useLibrary.getState();
  const other = clashing(given, currentGraph().doc, catalogue);
  const part = other.length ? withNewIds(given, new Map(other.map((id) => [id, newId()]))) : given;
  const { place } = placeHere();
  const around = surroundings(part, "root", catalogue);
  const nodes = [...part.root.nodes.values()];
  const frames = [...part.root.frames.values()];
  const box = bounds([...nodes.map((node) => boxOf(node, around)), ...frames.map(frameBox)]);
  if (!box) return;
  const shift = {
    x: Math.round((place.x - box.x - box.width / 2) / 16) * 16,
    y: Math.round((place.y - box.y) / 16) * 16,
  };
  const clip = {
    nodes,
    links: [...part.root.links.values(), ...outside],
    frames,
    subgraphs: [...part.subgraphs.values()],
  };
  pasteClip(clip, shift, outer);
}

function pasteClip(clip: Clip, shift: Point, outer: boolean): void {
  let made: Pasted = { nodes: [], frames: [] };
  edit("paste", (doc, at) => {
    const [next, pasted] = paste(doc, at, clip, shift, outer);
    made = pasted;
    return next;
  });
  select(made.nodes, [], made.frames);
}

export function duplicate(): void {
  const clip = chosenClip();
  if (clip) pasteClip(clip, { x: 32, y: 32 }, true);
}
