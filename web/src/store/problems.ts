import type { Accepted } from "../api/rest";
import { type Doc, type Graph, graphOf, type NodeId } from "../model/document";
import { faultSentence, givenAnew, inPlace } from "../model/problems";
import { type Prompt, unfilled } from "../model/prompt";
import { docOf, locate, showTab, type Tab, useDocs } from "./docs";
import { changeRun, runOf, setNode, useExec } from "./exec";
import { goToNode } from "./focus";
import { useLibrary } from "./library";
import { dropLists, toast, toastList } from "./ui";

/* What keeps a workflow from running: said in the nodes and in a list that leads to them. */

/** Whether the prompt can be sent; says what keeps it from that. */
export function check(tab: Tab, prompt: Prompt, skipped: readonly string[]): boolean {
  const { catalogue } = useLibrary.getState();
  clearErrors(tab.id);
  dropLists();
  if (!Object.values(prompt).some((node) => catalogue.get(node.class_type)?.terminal)) {
    const why = skipped.length
      ? "Every output here needs a node that this server does not have."
      : "There is no output to make. Add a Save Image or Preview Image node.";
    toast(why, "error");
    return false;
  }
  const open = unfilled(prompt, catalogue);
  if (!open.length) return true;
  for (const one of open)
    setNode(tab.id, one.id, { state: "error", message: `Nothing is linked to ${one.inputs.join(", ")}.` });
  showList(
    tab,
    open.map(({ id, title, inputs }) => [id, `${title} needs ${inputs.join(", ")}.`]),
  );
  return false;
}

/** Says what is wrong with nodes: the only thing with a way to it, or all of them in a list. */
function showList(tab: Tab, wrong: readonly (readonly [path: string, sentence: string])[]): void {
  const twice = (sentence: string) => wrong.filter((one) => one[1] === sentence).length > 1;
  const actions = wrong.map(([path, sentence]) => ({
    label: twice(sentence) ? `${sentence} (node ${path})` : sentence,
    run: () => {
      showTab(tab.id);
      goToNode(path);
    },
  }));
  const [only] = actions;
  if (only && actions.length === 1) toast(only.label, "error", { label: "Show", run: only.run });
  else if (only) toastList(`${actions.length} things keep it from running:`, actions);
}

/** Takes away what was said against nodes that an edit, or its undoing, gave something else. */
export function followEdits(): () => void {
  return useDocs.subscribe((now, before) => {
    if (now.tabs === before.tabs) return;
    for (const tab of now.tabs) {
      const old = before.tabs.find((one) => one.id === tab.id);
      if (old && docOf(old) !== docOf(tab)) forgetAnswered(tab.id, docOf(old), docOf(tab));
    }
  });
}

function forgetAnswered(tab: string, before: Doc, after: Doc): void {
  const { nodes } = runOf(useExec.getState(), tab);
  const answered = Object.entries(nodes).filter(([path, { state }]) => {
    if (state !== "error") return false;
    const [was, is] = [placeOf(before, path), placeOf(after, path)];
    return givenAnew(was?.graph, is?.graph, (was ?? is)?.id ?? "");
  });
  if (!answered.length) return;
  const paths = new Set(answered.map(([path]) => path));
  changeRun(tab, (run) => ({
    ...run,
    nodes: Object.fromEntries(Object.entries(run.nodes).filter(([path]) => !paths.has(path))),
  }));
}

function placeOf(doc: Doc, path: string): { readonly graph: Graph; readonly id: NodeId } | undefined {
  const place = locate(doc, path);
  return place && { graph: graphOf(doc, place.at), id: place.id };
}

function clearErrors(tab: string): void {
  changeRun(tab, (run) => ({
    ...run,
    nodes: Object.fromEntries(
      Object.entries(run.nodes).filter(([, node]) => node.state !== "error" && node.state !== "skipped"),
    ),
  }));
}

/** Shows what the server has against nodes, in them and in a list. */
export function showProblems(tab: Tab, problems: Accepted["node_errors"]): void {
  const entries = Object.entries(problems ?? {});
  for (const [id, one] of entries) setNode(tab.id, id, { state: "error", message: one.errors.map(inPlace).join("\n") });
  showList(
    tab,
    entries.flatMap(([id, one]) => one.errors.map((fault) => [id, faultSentence(fault)] as const)),
  );
}
