import * as rest from "../api/rest";
import { type Doc, graphsOf } from "../model/document";
import { BadFile, missingTypes, openEditorFile } from "../model/editorFile";
import { addNode, setValue } from "../model/edits";
import { isObject, type JsonObject, writeJson } from "../model/json";
import { inTurn } from "../model/order";
import { toPrompt } from "../model/prompt";
import { saveEditorFile } from "../model/saveFile";
import { shapeOf } from "../model/shape";
import { substitutes } from "../model/substitute";
import {
  activeTab,
  currentGraph,
  docOf,
  edit,
  editingHere,
  isBlank,
  isDirty,
  markSaved,
  newId,
  noteMoved,
  openTab,
  showTab,
  type Tab,
  tabById,
  useDocs,
} from "./docs";
import { goToNode, placeAt, pointerAt } from "./focus";
import { useLibrary } from "./library";
import { uploadPicture } from "./pictures";
import { report, select, toast, useUi } from "./ui";

/** Loaded when there is a file to read: what all the kinds of files look like is much. */
const reading = () => import("../model/open");
const using = () => ({ catalogue: useLibrary.getState().catalogue, newId, convert, fieldsOf: rest.fieldsOf });

async function convert(text: string): Promise<JsonObject> {
  const { document, notes } = await rest.convertText(text);
  if (notes.length) toast(notes.join(" "), "info");
  return document;
}

export function openWorkflow(name: string, doc: Doc, on: Pick<Tab, "path" | "version"> = {}): void {
  openTab(name, doc, on);
  useUi.setState({ phoneGraph: false });
  reportMissing(doc);
}

function reportMissing(doc: Doc): void {
  const { catalogue } = useLibrary.getState();
  const missing = [...missingTypes(doc, catalogue)];
  if (!missing.length) return;
  const unknown = graphsOf(doc).flatMap(([at, graph]) => [...graph.nodes.values()].map((node) => ({ at, node })));
  const names = missing.slice(0, 3).map(([type]) => {
    const one = unknown.find(({ node }) => node.type === type);
    const near = one && substitutes(one.node, catalogue, 1)[0];
    return near ? `${type} (near: ${near.title})` : type;
  });
  const first = unknown.find(({ at, node }) => at === "root" && node.type === missing[0]?.[0]);
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : "";
  toast(
    `This server lacks ${names.join(", ")}${more}. These nodes are kept, and left out of a run.`,
    "error",
    first && {
      label: "Show",
      run: () => goToNode(first.node.id),
    },
  );
}

const coming = new Set<string>();

export async function openTemplate(template: rest.Template): Promise<void> {
  // Who clicks again while it comes wants it once.
  if (coming.has(template.name)) return;
  coming.add(template.name);
  try {
    const [{ openText }, { withUsualForm }, text] = await Promise.all([
      reading(),
      import("../model/usualPins"),
      rest.readTemplate(template.name),
    ]);
    const doc = withUsualForm(await openText(text, using()), useLibrary.getState().catalogue);
    openWorkflow(template.title || template.name, doc);
  } catch (error) {
    report(error);
  } finally {
    coming.delete(template.name);
  }
}

export async function openSaved(path: string): Promise<void> {
  if (showOpen(path)) return;
  try {
    const [{ openText }, { text, version }] = await Promise.all([reading(), rest.readWorkflow(path)]);
    const doc = await openText(text, using());
    // Of two clicks the second one comes here when the first has opened it.
    if (showOpen(path)) return;
    openWorkflow(nameOf(path), doc, { path, version });
  } catch (error) {
    report(error);
  }
}

/** Shows the tab of a saved workflow. False where none has it open. */
function showOpen(path: string): boolean {
  const known = useDocs.getState().tabs.find((tab) => tab.path === path);
  if (known) showTab(known.id);
  return known !== undefined;
}

function nameOf(path: string): string {
  return (path.split("/").pop() ?? path).replace(/\.(json|png|webp|jpe?g)$/i, "");
}

export async function openJson(name: string, value: JsonObject): Promise<void> {
  try {
    const { openText } = await reading();
    openWorkflow(name, await openText(writeJson(value), using()));
  } catch (error) {
    report(error);
  }
}

/** Opens what was dropped, pasted or chosen: a workflow, a picture that carries one, or a plain picture to load. */
export async function openFile(
  file: File,
  how: { readonly asImage?: boolean; readonly at?: { x: number; y: number } } = {},
): Promise<void> {
  try {
    const { openBytes } = await reading();
    const { picture, doc, fault } = await openBytes(new Uint8Array(await file.arrayBuffer()), using());
    if (!doc || (picture && how.asImage)) {
      await loadAsImage(file, how.at);
      if (fault) toast(`${file.name} is loaded as a picture: the workflow in it cannot be read. ${fault}`, "error");
      return;
    }
    if (!picture) return openWorkflow(nameOf(file.name), doc);
    const choices = [
      { label: "Open its workflow", run: () => openWorkflow(nameOf(file.name), doc) },
      { label: "Load as an image", run: () => void loadAsImage(file, how.at).catch(report) },
    ] as const;
    // Beside nothing, a picture with a workflow can only be meant as one.
    if (how.at && !isBlank(activeTab()))
      return useUi.setState({ dropped: { screen: how.at, name: file.name, choices } });
    choices[0].run();
    toast(`Opened the workflow in ${file.name}.`, "info", choices[1]);
  } catch (error) {
    report(error instanceof BadFile ? `${file.name}: ${error.message}` : error);
  }
}

/** Uploads a picture, for the node that it was dropped on if that loads one, else for a new node. */
export async function loadAsImage(
  file: Blob,
  at = pointerAt(),
  name = file instanceof File ? file.name : "pasted.png",
): Promise<void> {
  const [on, place, here, there] = [pictureWidgetAt(at), placeAt(at), activeTab(), editingHere()];
  (await createImageBitmap(file).catch(() => broken(name))).close();
  const image = await uploadPicture(file, name, on?.folder);
  if (on)
    return there("load image", (doc, graph) =>
      setValue(doc, graph, on.node, on.widget, rest.imageName(image, on.folder)),
    );
  // It goes where it was dropped, also when another workflow is in view by now; where that was closed, into this one.
  const put = tabById(here.id) ? there : edit;
  put("add image", (doc, graph) => {
    const [added, id] = addNode(doc, graph, "LoadImage", place);
    if (put === edit || activeTab().id === here.id) select([id]);
    return setValue(added, graph, id, "image", rest.imageName(image));
  });
}

function broken(name: string): never {
  throw new Error(`${name} is a picture that cannot be read: it is cut off, or of a kind that browsers do not show.`);
}

/** The widget for a picture of the node at a point of the screen. */
function pictureWidgetAt({ x, y }: { x: number; y: number }) {
  const id = document.elementFromPoint(x, y)?.closest(".react-flow__node")?.getAttribute("data-id");
  const around = currentGraph();
  const node = id ? around.graph.nodes.get(id) : undefined;
  const widget = node && shapeOf(node, around).widgets.find((one) => one.upload);
  return node && widget && { node: node.id, widget: widget.name, folder: widget.folder };
}

export async function loadResult(image: rest.ImageRef, at?: { x: number; y: number }): Promise<void> {
  try {
    const reply = await fetch(rest.imageUrl(image));
    await loadAsImage(await reply.blob(), at, image.filename);
  } catch (error) {
    report(error);
  }
}

export function chooseFile(accept: string, then: (file: File) => void): void {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = accept;
  input.onchange = () => {
    const file = input.files?.[0];
    if (file) then(file);
  };
  input.click();
}

export const fileText = (doc: Doc) => writeJson(saveEditorFile(doc, useLibrary.getState().catalogue), 2);

/** Each save must know the version that the one before it made. */
const saving = inTurn();

/** Saves where the tab was saved before; asks for a name where it was not. */
export async function save(): Promise<void> {
  const { id, path } = activeTab();
  if (!path) return saveAs();
  await saving(async () => {
    const tab = tabById(id);
    if (!tab?.path) return;
    const outcome = await write(tab, tab.path, tab.version ? { version: tab.version } : "nothing");
    if (outcome === "taken") useUi.setState({ saveAs: { tab: id, taken: true } });
  });
}

/** Asks where to save the workflow in view. */
export const saveAs = () => useUi.setState({ saveAs: { tab: activeTab().id, taken: false } });

export type SaveOutcome = "saved" | "taken" | "failed";

/** Saves the tab's document. "taken" where the server has there what this window has not seen. */
export const saveTo = (tab: Tab, path: string, replacing: rest.Replacing) =>
  saving(() => write(tabById(tab.id) ?? tab, path, replacing));

async function write(tab: Tab, path: string, replacing: rest.Replacing): Promise<SaveOutcome> {
  const file = path.endsWith(".json") ? path : `${path}.json`;
  const doc = docOf(tab);
  try {
    const version = await rest.writeWorkflow(file, fileText(doc), replacing);
    markSaved(tab.id, { name: nameOf(file), path: file, version, saved: doc });
    toast(`Saved ${file}.`, "ok");
    return "saved";
  } catch (error) {
    if (error instanceof rest.ServerError && [409, 412].includes(error.status)) return "taken";
    report(error);
    return "failed";
  }
}

/** Gives a saved workflow another name or folder; what is open of it is saved there from then on. */
export async function moveSaved(from: string, to: string): Promise<void> {
  const path = to.endsWith(".json") ? to : `${to}.json`;
  if (path === from) return;
  await saving(async () => {
    try {
      await rest.moveWorkflow(from, path);
      noteMoved(from, path, nameOf(path));
      toast(`${from} is now ${path}.`, "ok");
    } catch (error) {
      report(error);
    }
  });
}

export function download(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // Some browsers ask the person first, and read the content after the answer.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function exportWorkflow(): void {
  const tab = activeTab();
  download(`${tab.name}.json`, new Blob([fileText(docOf(tab))], { type: "application/json" }));
}

export function exportApi(): void {
  const tab = activeTab();
  const { catalogue } = useLibrary.getState();
  const prompt = toPrompt(docOf(tab), { catalogue, random: Math.random, now: new Date() });
  download(`${tab.name}.api.json`, new Blob([writeJson(prompt, 2)], { type: "application/json" }));
}

export function hasUnsaved(): boolean {
  return useDocs.getState().tabs.some(isDirty);
}

export function reopen(value: unknown): Doc | undefined {
  if (!isObject(value)) return undefined;
  try {
    return openEditorFile(value, useLibrary.getState().catalogue, newId);
  } catch {
    return undefined;
  }
}
