import { BYPASS, type Doc, type GraphNode, linksInto, MUTE, runOrder } from "./document";
import { allReal } from "./everywhere";
import { isList, type Json, type JsonObject } from "./json";
import { rowsOf } from "./legacy";
import { expandChoices, formatDate } from "./queuedText";
import { rowEntries } from "./rows";
import type { Catalogue } from "./schema";
import { type NodeShape, type Surroundings, shapeOf, titleOf, widgetValue } from "./shape";
import { enter, exposedValue, placesIn, type Scope, type Sent, sourceOf } from "./sources";
import { wantedType } from "./types";
import { isVirtual } from "./virtual";
import { valuesBySlots } from "./widgetList";

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

/** The API-format graph that the document asks the server to run. */
export function toPrompt(given: Doc, options: PromptOptions): Prompt {
  const doc = allReal(given);
  const prompt: Record<string, PromptNode> = {};
  const work = { doc, ...options };
  emit(work, { graph: doc.root, prefix: "" }, prompt);
  return dropLoose(prompt);
}

type Work = Sent & PromptOptions;

function emit(work: Work, scope: Scope, prompt: Record<string, PromptNode>): void {
  for (const id of runOrder(scope.graph)) {
    const node = scope.graph.nodes.get(id);
    if (!node || isVirtual(node.type) || node.mode === MUTE || node.mode === BYPASS) continue;
    const shape = shapeOf(node, placesIn(work, scope));
    if (shape.kind === "subgraph") {
      const inner = enter(work, scope, node);
      if (inner) emit(work, inner, prompt);
    } else prompt[scope.prefix + id] = promptNode(work, scope, node, shape);
  }
}

function promptNode(work: Work, scope: Scope, node: GraphNode, shape: NodeShape): PromptNode {
  const inputs = ownValues(work, scope, node, shape);
  for (const link of linksInto(scope.graph, node.id)) {
    const input = shape.inputs.find((one) => one.name === link.input);
    const source = sourceOf(work, scope, link, input ? wantedType(node, input, link) : link.type);
    if (source === "muted") delete inputs[link.input];
    else if (source) inputs[link.input] = "link" in source ? [...source.link] : wrapList(source.value);
  }
  for (const { name, dynamicPrompts } of shape.widgets) {
    const text = inputs[name];
    if (typeof text === "string") inputs[name] = finish(text, dynamicPrompts, name, work, scope);
  }
  return { class_type: node.type, inputs, _meta: { title: titleOf(node, shape) } };
}

function ownValues(work: Work, scope: Scope, node: GraphNode, shape: NodeShape): Record<string, Json> {
  const places = placesIn(work, scope);
  const own: readonly (readonly [string, Json])[] =
    shape.kind === "unknown"
      ? Object.entries(valuesBySlots(node)).filter(([name, value]) => value !== null && !name.endsWith(":control"))
      : [
          ...rowsOf(node.type, node.loose),
          ...shape.widgets.flatMap((one) => {
            const value = widgetValue(node, one, places);
            return one.rows ? rowEntries(one.rows, value) : [[one.name, value] as const];
          }),
        ];
  return Object.fromEntries(own.map(([name, value]) => [name, wrapList(exposedValue(scope, node, name) ?? value)]));
}

/** A list that is a value is wrapped, since a bare list is always a link. */
function wrapList(value: Json): Json {
  return isList(value) ? { __value__: value } : value;
}

/** Links to nodes that do not run are left out: the server names what is then missing. */
function dropLoose(prompt: Record<string, PromptNode>): Prompt {
  for (const [id, node] of Object.entries(prompt)) {
    const inputs = Object.entries(node.inputs).filter(([, value]) => !isList(value) || String(value[0]) in prompt);
    prompt[id] = { ...node, inputs: Object.fromEntries(inputs) };
  }
  return prompt;
}

function finish(text: string, dynamic: boolean, name: string, work: Work, scope: Scope): string {
  const chosen = dynamic ? expandChoices(text, work.random) : text;
  return name === "filename_prefix" ? fillPrefix(chosen, work, scope) : chosen;
}

/** Fills `%date:yyyy-MM-dd%` and `%Node title.widget%` in the name of a file. */
function fillPrefix(text: string, work: Work, scope: Scope): string {
  return text.replace(/%([^%]+)%/g, (whole, inside: string) => {
    if (inside === "date") return formatDate(work.now, "yyyyMMddhhmmss");
    if (inside.startsWith("date:")) return formatDate(work.now, inside.slice(5));
    const dot = inside.indexOf(".");
    if (dot < 0) return whole;
    const value = widgetByTitle(inside.slice(0, dot), inside.slice(dot + 1), placesIn(work, scope));
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
