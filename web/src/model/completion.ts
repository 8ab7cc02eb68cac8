import { type Doc, type GraphId, graphOf, linkInto, linksOutOf, type NodeId } from "./document";
import { addNode, connect, editNode } from "./edits";

/** What is being written at the caret: the name of an embedding, or of a LoRA. */
export interface Completing {
  readonly kind: "embedding" | "lora";
  readonly typed: string;
  /** Where in the text what is written begins, the mark included, and where it ends. */
  readonly from: number;
  readonly to: number;
}

const MARK = /(?:^|[\s,(])(embedding:|<lora:)([^\s,()<>:]*)$/i;

export function completingAt(text: string, caret: number): Completing | undefined {
  const match = MARK.exec(text.slice(0, caret));
  if (!match) return undefined;
  const [, mark = "", typed = ""] = match;
  const kind = mark.toLowerCase() === "<lora:" ? "lora" : "embedding";
  return { kind, typed, from: caret - typed.length - mark.length, to: caret };
}

export interface Completed {
  readonly text: string;
  readonly caret: number;
}

/** The text with the embedding's name; or without the mark of a LoRA, which is a node and no word. */
export function complete(text: string, { kind, from, to }: Completing, name: string): Completed {
  const word = kind === "embedding" ? `embedding:${name}` : "";
  const before = kind === "lora" ? text.slice(0, from).replace(/,?\s*$/, "") : text.slice(0, from);
  return { text: before + word + text.slice(to), caret: before.length + word.length };
}

const LOADER = "LoraLoader";

/** Puts a LoRA between a prompt and what its words go through, for the model that comes from there too. */
export function addLora(doc: Doc, at: GraphId, prompt: NodeId, name: string): Doc {
  const graph = graphOf(doc, at);
  const clip = linkInto(graph, prompt, "clip");
  const source = clip && graph.nodes.get(clip.from);
  if (!clip || !source) return doc;
  const outs = linksOutOf(graph, source.id);
  const model = outs.find((link) => link.type === "MODEL");
  const place = { x: source.x + (source.width ?? 256) + 64, y: source.y };
  const [added, id] = addNode(doc, at, LOADER, place);
  let next = editNode(added, at, id, (node) => ({ ...node, values: { lora_name: name } }));
  for (const link of outs) {
    if (link.slot === clip.slot) next = connect(next, at, { ...link, from: id, slot: 1 });
    if (model && link.slot === model.slot) next = connect(next, at, { ...link, from: id, slot: 0 });
  }
  next = connect(next, at, { from: clip.from, slot: clip.slot, to: id, input: "clip", type: clip.type });
  return model
    ? connect(next, at, { from: source.id, slot: model.slot, to: id, input: "model", type: model.type })
    : next;
}
