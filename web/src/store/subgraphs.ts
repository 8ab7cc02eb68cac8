import { create } from "zustand";
import { listPublished, type Published, publish, readPublished, unpublish } from "../api/published";
import { fieldsOf, ServerError } from "../api/rest";
import { graphOf, type NodeId } from "../model/document";
import { writeJson } from "../model/json";
import { newest } from "../model/order";
import { saveEditorFile } from "../model/saveFile";
import { alone, instancesOf, renameSubgraph, separate } from "../model/subgraphs";
import { pasteDoc } from "./clipboard";
import { activeTab, currentGraph, docOf, edit, instanceInView, newId } from "./docs";
import { useLibrary } from "./library";
import { ask, report, toast, useUi } from "./ui";

/* What is done with a subgraph as a whole: named, made a node's own, kept for other workflows. */

/** The one chosen node of a subgraph, or the one whose inside is in view. */
function chosenInstance(): { readonly at: string; readonly id: NodeId } | undefined {
  const { doc, graph, at } = currentGraph();
  const [id, ...more] = useUi.getState().selection;
  const chosen = id !== undefined && !more.length && doc.subgraphs.has(graph.nodes.get(id)?.type ?? "");
  return chosen ? { at, id } : instanceInView(activeTab());
}

/** Names the subgraph in view, on all of its nodes. */
export function renameInView(name: string): void {
  edit("rename the subgraph", (doc, at) => renameSubgraph(doc, at, name));
}

export function separateChosen(): void {
  const place = chosenInstance();
  const doc = docOf(activeTab());
  const type = place && graphOf(doc, place.at).nodes.get(place.id)?.type;
  if (!place || type === undefined) toast("Choose one node of a subgraph first.", "info");
  else if (instancesOf(doc, type) < 2) toast("No other node is of this subgraph: it is its own already.", "info");
  else edit("make the subgraph its own", (now) => separate(now, place.at, place.id, newId()));
}

interface Kept {
  readonly list: readonly Published[];
}

export const usePublished = create<Kept>(() => ({ list: [] }));

export const loadPublished = newest(listPublished, (list) => usePublished.setState({ list }), report);

/** Keeps the chosen subgraph for other workflows, under its name. */
export async function publishChosen(): Promise<void> {
  const place = chosenInstance();
  const doc = docOf(activeTab());
  const part = place && alone(doc, place.at, place.id, newId());
  if (!part) {
    toast("Choose one node of a subgraph first.", "info");
    return;
  }
  const node = part.root.nodes.get("1");
  const called = node?.title || part.subgraphs.get(node?.type ?? "")?.name || "Subgraph";
  const name = called.replace(/[\\/:*?"<>|.\s]+/g, " ").trim() || "Subgraph";
  const text = writeJson(saveEditorFile(part, useLibrary.getState().catalogue), 2);
  try {
    if (!(await keep(name, text))) return;
    toast(`${name} is in the node library now.`, "ok");
    await loadPublished();
  } catch (error) {
    report(error);
  }
}

async function keep(name: string, text: string): Promise<boolean> {
  try {
    await publish(name, text, false);
    return true;
  } catch (error) {
    if (!(error instanceof ServerError) || error.status !== 409) throw error;
  }
  const question = { title: `Replace ${name}?`, text: "The library has a subgraph of that name.", yes: "Replace" };
  if (!(await ask(question))) return false;
  await publish(name, text, true);
  return true;
}

export async function addPublished(one: Published): Promise<void> {
  try {
    const [{ openText }, text] = await Promise.all([import("../model/open"), readPublished(one)]);
    pasteDoc(await openText(text, { catalogue: useLibrary.getState().catalogue, newId, fieldsOf }));
  } catch (error) {
    report(error);
  }
}

export async function removePublished(one: Published): Promise<void> {
  const text = "Workflows that it was added to keep their own.";
  if (!(await ask({ title: `Take ${one.name} out of the library?`, text, yes: "Take it out" }))) return;
  try {
    await unpublish(one);
    await loadPublished();
  } catch (error) {
    report(error);
  }
}
