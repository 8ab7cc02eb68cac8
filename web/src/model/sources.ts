import {
  BYPASS,
  type Doc,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphNode,
  type Link,
  linkInto,
  linksInto,
  MUTE,
  type Subgraph,
} from "./document";
import type { Json } from "./json";
import type { Catalogue } from "./schema";
import { type NodeShape, type Surroundings, shapeOf } from "./shape";
import { fits, isAny } from "./types";
import { GETTER, holdsValue, isNote, leadsOn, SETTER } from "./virtual";

/* Where a link really comes from: through reroutes, primitives, bypassed nodes and the walls of subgraphs. */

export interface Sent {
  readonly doc: Doc;
  readonly catalogue: Catalogue;
}

/** One level of the document while it is flattened. */
export interface Scope {
  readonly graph: Graph;
  readonly prefix: string;
  readonly up?: { readonly scope: Scope; readonly instance: GraphNode; readonly definition: Subgraph };
}

/** A node that runs, a plain value, or a node that is muted. */
export type Source = { readonly link: readonly [string, number] } | { readonly value: Json } | "muted";

const DEPTH = 200;
const DEEPEST_SUBGRAPH = 20;

export function placesIn({ doc, catalogue }: Sent, scope: Scope): Surroundings {
  return { catalogue, doc, graph: scope.graph };
}

/** The inside of a subgraph's instance, or nothing where the node is none. */
export function enter({ doc, catalogue }: Sent, scope: Scope, instance: GraphNode): Scope | undefined {
  const definition = catalogue.has(instance.type) ? undefined : doc.subgraphs.get(instance.type);
  if (!definition || scope.prefix.split(":").length > DEEPEST_SUBGRAPH) return undefined;
  return { graph: definition.graph, prefix: `${scope.prefix}${instance.id}:`, up: { scope, instance, definition } };
}

/** A value that the subgraph's instance sets in a node inside it, if it does. */
export function exposedValue({ up }: Scope, node: GraphNode, widget: string): Json | undefined {
  return up?.instance.values[`${node.id}:${widget}`];
}

/** What the link brings to an input of the type in the end; nothing where it leads nowhere. */
export function sourceOf(sent: Sent, scope: Scope, link: Link, wanted: string): Source | undefined {
  return resolve(sent, scope, { node: link.from, slot: link.slot, wanted, depth: 0 });
}

interface Want {
  readonly node: string;
  readonly slot: number;
  readonly wanted: string;
  readonly depth: number;
}

function resolve(sent: Sent, scope: Scope, want: Want): Source | undefined {
  if (want.depth > DEPTH) return undefined;
  if (want.node === GRAPH_INPUT) return fromOutside(sent, scope, want);
  const node = scope.graph.nodes.get(want.node);
  if (!node || isNote(node.type)) return undefined;
  if (leadsOn(node.type)) return along(sent, scope, linksInto(scope.graph, node.id)[0], want);
  if (node.type === GETTER) return fromSetter(sent, scope, node, want);
  if (holdsValue(node.type)) return fromHolder(sent, scope, node, want);
  if (node.mode === MUTE) return "muted";
  if (node.mode === BYPASS) return past(sent, scope, node, want);
  const inner = enter(sent, scope, node);
  if (!inner?.up) return { link: [scope.prefix + node.id, want.slot] };
  const port = inner.up.definition.outputs[want.slot];
  return along(
    sent,
    inner,
    linksInto(inner.graph, GRAPH_OUTPUT).find((one) => one.input === port?.id),
    want,
  );
}

function along(sent: Sent, scope: Scope, link: Link | undefined, want: Want): Source | undefined {
  return link && resolve(sent, scope, { ...want, node: link.from, slot: link.slot, depth: want.depth + 1 });
}

function fromHolder(sent: Sent, scope: Scope, node: GraphNode, want: Want): Source | undefined {
  const link = linksInto(scope.graph, node.id)[0];
  if (link) return along(sent, scope, link, want);
  const value = exposedValue(scope, node, "value") ?? node.values.value ?? firstValue(node);
  return value === undefined || value === null ? undefined : { value };
}

/** To what is stored under a name, here or in a graph around. */
function fromSetter(sent: Sent, scope: Scope, getter: GraphNode, want: Want): Source | undefined {
  const name = firstValue(getter);
  for (let at: Scope | undefined = scope; at && name !== undefined; at = at.up?.scope)
    for (const node of at.graph.nodes.values())
      if (node.type === SETTER && firstValue(node) === name)
        return along(sent, at, linksInto(at.graph, node.id)[0], want);
  return undefined;
}

const firstValue = ({ loose }: GraphNode): Json | undefined => (Array.isArray(loose) ? (loose[0] as Json) : undefined);

/** What the instance has for a widget; what is left of one that it no longer shows does not count, nor is it saved. */
function shownValue(sent: Sent, scope: Scope, instance: GraphNode, name: string): Json | undefined {
  const { widgets } = shapeOf(instance, placesIn(sent, scope));
  return widgets.some((one) => one.name === name) ? instance.values[name] : undefined;
}

function fromOutside(sent: Sent, scope: Scope, want: Want): Source | undefined {
  if (!scope.up) return undefined;
  const { scope: outer, instance, definition } = scope.up;
  const name = definition.inputs[want.slot]?.name;
  if (name === undefined) return undefined;
  const link = linkInto(outer.graph, instance.id, name);
  if (link) return along(sent, outer, link, want);
  const value = exposedValue(outer, instance, name) ?? shownValue(sent, outer, instance, name);
  return value === undefined || value === null ? undefined : { value };
}

function past(sent: Sent, scope: Scope, node: GraphNode, want: Want): Source | undefined {
  const shape = shapeOf(node, placesIn(sent, scope));
  const input = bypassInput(shape, shape.outputs[want.slot]?.type ?? "*", want);
  return along(sent, scope, input && linkInto(scope.graph, node.id, input.name), want);
}

/** Past a bypassed node: the input in the output's place if it fits, else the first of the type, else any that fits. */
export function bypassInput(shape: NodeShape, type: string, { slot, wanted }: Pick<Want, "slot" | "wanted">) {
  const same = shape.inputs[slot];
  if (isAny(wanted)) return same ?? shape.inputs[0];
  if (same && fits(same.type, type) && fits(same.type, wanted)) return same;
  return shape.inputs.find((one) => one.type === wanted) ?? shape.inputs.find((one) => fits(one.type, wanted));
}
