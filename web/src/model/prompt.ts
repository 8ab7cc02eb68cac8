import {
  BYPASS,
  type Doc,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphNode,
  linkInto,
  linksInto,
  MUTE,
  runOrder,
  type Subgraph,
} from "./document";
import { isList, type Json, type JsonObject } from "./json";
import type { Catalogue } from "./schema";
import {
  isNote,
  isVirtual,
  type NodeShape,
  PRIMITIVE,
  REROUTE,
  type Surroundings,
  shapeOf,
  titleOf,
  widgetValue,
} from "./shape";
import { fits, isAny } from "./types";

export interface PromptNode {
  readonly class_type: string;
  readonly inputs: { readonly [name: string]: Json };
  readonly _meta: { readonly title: string };
}

export type Prompt = { readonly [id: string]: PromptNode };

/** The class of each node of a prompt. */
export type Types = { readonly [id: string]: string };

export const typesIn = (prompt: Prompt): Types =>
  Object.fromEntries(Object.entries(prompt).map(([id, { class_type }]) => [id, class_type]));

export interface PromptOptions {
  readonly catalogue: Catalogue;
  /** Picks among `{a|b}` in prompts; in [0, 1). */
  readonly random: () => number;
  readonly now: Date;
}

/** One level of the document while it is flattened. */
interface Scope {
  readonly graph: Graph;
  readonly prefix: string;
  readonly up?: { readonly scope: Scope; readonly instance: GraphNode; readonly definition: Subgraph };
}

type Source = { readonly link: readonly [string, number] } | { readonly value: Json };

const DEPTH = 200;

/** The API-format graph that the document asks the server to run. */
export function toPrompt(doc: Doc, options: PromptOptions): Prompt {
  const prompt: Record<string, PromptNode> = {};
  const work = { doc, options };
  emit(work, { graph: doc.root, prefix: "" }, prompt);
  return dropLoose(prompt);
}

interface Work {
  readonly doc: Doc;
  readonly options: PromptOptions;
}

function around({ doc, options }: Work, scope: Scope): Surroundings {
  return { catalogue: options.catalogue, doc, graph: scope.graph };
}

function emit(work: Work, scope: Scope, prompt: Record<string, PromptNode>): void {
  for (const id of runOrder(scope.graph)) {
    const node = scope.graph.nodes.get(id);
    if (!node || isVirtual(node.type) || node.mode === MUTE || node.mode === BYPASS) continue;
    const shape = shapeOf(node, around(work, scope));
    if (shape.kind === "subgraph") {
      const inner = enter(work, scope, node);
      if (inner) emit(work, inner, prompt);
    } else prompt[scope.prefix + id] = promptNode(work, scope, node, shape);
  }
}

function enter(work: Work, scope: Scope, instance: GraphNode): Scope | undefined {
  const definition = work.doc.subgraphs.get(instance.type);
  if (!definition || scope.prefix.split(":").length > 20) return undefined;
  return { graph: definition.graph, prefix: `${scope.prefix}${instance.id}:`, up: { scope, instance, definition } };
}

function promptNode(work: Work, scope: Scope, node: GraphNode, shape: NodeShape): PromptNode {
  const inputs: Record<string, Json> = {};
  for (const widget of shape.widgets) {
    const value = widgetValue(node, widget, around(work, scope));
    inputs[widget.name] = wrapList(finish(value, widget.dynamicPrompts, widget.name, work, scope));
  }
  for (const link of linksInto(scope.graph, node.id)) {
    const wanted = shape.inputs.find((one) => one.name === link.input)?.type ?? link.type;
    const source = resolve(work, scope, { node: link.from, slot: link.slot, wanted, depth: 0 });
    if (source) inputs[link.input] = "link" in source ? [...source.link] : wrapList(source.value);
  }
  return { class_type: node.type, inputs, _meta: { title: titleOf(node, shape) } };
}

/** A list that is a value is wrapped, since a bare list is always a link. */
function wrapList(value: Json): Json {
  return isList(value) ? { __value__: value } : value;
}

interface Want {
  readonly node: string;
  readonly slot: number;
  readonly wanted: string;
  readonly depth: number;
}

/** What an output stands for in the end: a node that runs, a plain value, or nothing. */
function resolve(work: Work, scope: Scope, want: Want): Source | undefined {
  if (want.depth > DEPTH) return undefined;
  if (want.node === GRAPH_INPUT) return fromOutside(work, scope, want);
  const node = scope.graph.nodes.get(want.node);
  if (!node || isNote(node.type) || node.mode === MUTE) return undefined;
  if (node.type === REROUTE) return through(work, scope, node, "", want);
  if (node.type === PRIMITIVE) return { value: node.values.value ?? null };
  if (node.mode === BYPASS) return past(work, scope, node, want);
  const inner =
    work.doc.subgraphs.has(node.type) && !work.options.catalogue.has(node.type) ? enter(work, scope, node) : undefined;
  if (!inner?.up) return { link: [scope.prefix + node.id, want.slot] };
  const port = inner.up.definition.outputs[want.slot];
  const link = linksInto(inner.graph, GRAPH_OUTPUT).find((one) => one.input === port?.id);
  return link && resolve(work, inner, { ...want, node: link.from, slot: link.slot, depth: want.depth + 1 });
}

function through(work: Work, scope: Scope, node: GraphNode, input: string, want: Want): Source | undefined {
  const link = linkInto(scope.graph, node.id, input) ?? linksInto(scope.graph, node.id)[0];
  return link && resolve(work, scope, { ...want, node: link.from, slot: link.slot, depth: want.depth + 1 });
}

function fromOutside(work: Work, scope: Scope, want: Want): Source | undefined {
  if (!scope.up) return undefined;
  const { scope: outer, instance, definition } = scope.up;
  const name = definition.inputs[want.slot]?.name;
  if (name === undefined) return undefined;
  const link = linkInto(outer.graph, instance.id, name);
  if (link) return resolve(work, outer, { ...want, node: link.from, slot: link.slot, depth: want.depth + 1 });
  const value = instance.values[name];
  return value === undefined ? undefined : { value };
}

/** Past a bypassed node: the input in the output's place if it fits, else the first of the type, else any that fits. */
function past(work: Work, scope: Scope, node: GraphNode, want: Want): Source | undefined {
  const shape = shapeOf(node, around(work, scope));
  const output = shape.outputs[want.slot];
  const input = bypassInput(shape, output?.type ?? "*", want);
  const link = input && linkInto(scope.graph, node.id, input.name);
  return link && resolve(work, scope, { ...want, node: link.from, slot: link.slot, depth: want.depth + 1 });
}

export function bypassInput(shape: NodeShape, type: string, { slot, wanted }: Pick<Want, "slot" | "wanted">) {
  const same = shape.inputs[slot];
  if (isAny(wanted)) return same ?? shape.inputs[0];
  if (same && fits(same.type, type) && fits(same.type, wanted)) return same;
  return shape.inputs.find((one) => one.type === wanted) ?? shape.inputs.find((one) => fits(one.type, wanted));
}

/** Links to nodes that do not run are left out: the server names what is then missing. */
function dropLoose(prompt: Record<string, PromptNode>): Prompt {
  for (const [id, node] of Object.entries(prompt)) {
    const inputs = Object.entries(node.inputs).filter(([, value]) => !isList(value) || String(value[0]) in prompt);
    prompt[id] = { ...node, inputs: Object.fromEntries(inputs) };
  }
  return prompt;
}

function finish(value: Json, dynamic: boolean, name: string, work: Work, scope: Scope): Json {
  if (typeof value !== "string") return value;
  const text = dynamic ? expandChoices(value, work.options.random) : value;
  return name === "filename_prefix" ? fillPrefix(text, work, scope) : text;
}

/** Picks one of each `{a|b|{c|d}}` and strips comments; `\{`, `\|` and `\}` are the plain characters. */
export function expandChoices(text: string, random: () => number): string {
  const plain = text.replace(/\/\*[\s\S]*?\*\/|(^|[^:])\/\/[^\n]*/g, (_, before?: string) => before ?? "");
  let at = 0;
  return sequence(false);

  function sequence(nested: boolean): string {
    const options: string[] = [""];
    const add = (more: string) => {
      options[options.length - 1] += more;
    };
    while (at < plain.length) {
      const letter = plain[at++] as string;
      if (letter === "\\" && /[{}|\\]/.test(plain[at] ?? "")) add(escaped(plain[at++] as string));
      else if (letter === "{") add(sequence(true));
      else if (letter === "|" && nested) options.push("");
      else if (letter === "}" && nested) return options[Math.floor(random() * options.length)] ?? "";
      else add(letter);
    }
    return nested ? `{${options.join("|")}` : (options[0] ?? "");
  }
}

/** `\\{` is a brace; a backslash that escapes a backslash is for the text encoder to read. */
function escaped(letter: string): string {
  return letter === "\\" ? "\\\\" : letter;
}

/** Fills `%date:yyyy-MM-dd%` and `%Node title.widget%` in the name of a file. */
function fillPrefix(text: string, work: Work, scope: Scope): string {
  return text.replace(/%([^%]+)%/g, (whole, inside: string) => {
    if (inside === "date") return formatDate(work.options.now, "yyyyMMddhhmmss");
    if (inside.startsWith("date:")) return formatDate(work.options.now, inside.slice(5));
    const dot = inside.indexOf(".");
    if (dot < 0) return whole;
    const value = widgetByTitle(inside.slice(0, dot), inside.slice(dot + 1), around(work, scope));
    return value === undefined ? whole : String(value).replace(/[<>:"/\\|?*]/g, "_");
  });
}

function widgetByTitle(title: string, widget: string, places: Surroundings): Json | undefined {
  for (const node of places.graph.nodes.values()) {
    const shape = shapeOf(node, places);
    const properties = node.rest.properties as JsonObject | undefined;
    if (titleOf(node, shape) !== title && properties?.["Node name for S&R"] !== title) continue;
    const found = shape.widgets.find((one) => one.name === widget);
    if (found) return widgetValue(node, found, places);
  }
  return undefined;
}

export function formatDate(date: Date, format: string): string {
  const parts: Readonly<Record<string, number>> = {
    d: date.getDate(),
    M: date.getMonth() + 1,
    h: date.getHours(),
    m: date.getMinutes(),
    s: date.getSeconds(),
  };
  return format.replace(/yyyy|yy|([dMhms])\1?/g, (token) => {
    if (token === "yyyy") return String(date.getFullYear());
    if (token === "yy") return String(date.getFullYear()).slice(2);
    return String(parts[token[0] as string]).padStart(token.length, "0");
  });
}

/** Required inputs that nothing feeds, so that they can be named before anything is sent. */
export interface Unfilled {
  readonly id: string;
  readonly title: string;
  readonly inputs: readonly string[];
}

export function unfilled(prompt: Prompt, catalogue: Catalogue): readonly Unfilled[] {
  return Object.entries(prompt).flatMap(([id, node]) => {
    const schema = catalogue.get(node.class_type);
    const inputs =
      schema?.sockets.filter((one) => !one.optional && !(one.name in node.inputs)).map((one) => one.label) ?? [];
    return inputs.length ? [{ id, title: node._meta.title, inputs }] : [];
  });
}

/** Only what the wanted outputs need, where the prompt also holds nodes that the server does not know. */
export function knownPart(
  prompt: Prompt,
  catalogue: Catalogue,
): { readonly prompt: Prompt; readonly skipped: readonly string[] } {
  const bad = new Set(
    Object.entries(prompt)
      .filter(([, node]) => !catalogue.has(node.class_type))
      .map(([id]) => id),
  );
  if (!bad.size) return { prompt, skipped: [] };
  for (let grew = true; grew; ) {
    grew = false;
    for (const [id, node] of Object.entries(prompt)) {
      if (bad.has(id) || !Object.values(node.inputs).some((value) => isList(value) && bad.has(String(value[0]))))
        continue;
      bad.add(id);
      grew = true;
    }
  }
  return { prompt: Object.fromEntries(Object.entries(prompt).filter(([id]) => !bad.has(id))), skipped: [...bad] };
}
