import {
  type Doc,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphId,
  type GraphNode,
  heldValue,
  linksInto,
  linksOutOf,
  type NodeId,
  type Subgraph,
} from "./document";
import { asText, isList, isObject, type Json } from "./json";
import type { Catalogue, OutputSchema, WidgetSchema } from "./schema";
import { fittedShape, slotInput, slotOutput, slotWidget, textWidget } from "./schemaShape";
import { isNote, NOTES, PRIMITIVE, REROUTE } from "./virtual";
import { valuesBySlots } from "./widgetList";

export type NodeKind = "schema" | "subgraph" | "reroute" | "primitive" | "note" | "ends" | "unknown";

export interface InputShape {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly optional: boolean;
  readonly tooltip?: string;
  /** Set where the input also has a widget. */
  readonly widget?: string;
}

export interface WidgetShape extends WidgetSchema {
  /** Where the value lives, if in a node inside the subgraph. */
  readonly inner?: { readonly node: string; readonly widget: string };
  /** What follows a run, where a node inside the subgraph says it. */
  readonly follows?: string;
}

/** All that the editor needs to draw, link and save a node, whatever kind it is. */
export interface NodeShape {
  readonly kind: NodeKind;
  readonly title: string;
  readonly category: string;
  readonly description: string;
  readonly inputs: readonly InputShape[];
  readonly widgets: readonly WidgetShape[];
  readonly outputs: readonly OutputSchema[];
  readonly terminal: boolean;
  readonly uploadAfter: number;
}

export interface Surroundings {
  readonly catalogue: Catalogue;
  readonly doc: Doc;
  readonly graph: Graph;
}

export function shapeOf(node: GraphNode, around: Surroundings): NodeShape {
  if (node.type === REROUTE) return rerouteShape(node, around);
  if (node.type === PRIMITIVE) return primitiveShape(node, around);
  if (isNote(node.type)) return noteShape(node.type);
  const schema = around.catalogue.get(node.type);
  if (schema) return fittedShape(schema, node, around.graph);
  const definition = around.doc.subgraphs.get(node.type);
  return definition ? subgraphShape(node, definition, around) : unknownShape(node);
}

const bare = { category: "", description: "", widgets: [], terminal: false, uploadAfter: -1 } as const;

function noteShape(type: string): NodeShape {
  const text = textWidget("text");
  return { ...bare, kind: "note", title: NOTES[type] ?? type, inputs: [], outputs: [], widgets: [text] };
}

function rerouteShape(node: GraphNode, around: Surroundings): NodeShape {
  const type = rerouteType(node, around);
  return {
    ...bare,
    kind: "reroute",
    title: "Reroute",
    inputs: [{ name: "", label: "", type, optional: true }],
    outputs: [{ name: "", type, list: false }],
  };
}

/** What flows through a reroute: the type at the far end of what feeds it, or of what it feeds. */
function rerouteType(node: GraphNode, { graph }: Surroundings): string {
  const seen = new Set<string>();
  let at: GraphNode | undefined = node;
  while (at && at.type === REROUTE && !seen.has(at.id)) {
    seen.add(at.id);
    const link = linksInto(graph, at.id)[0];
    if (!link) break;
    if (link.type !== "*") return link.type;
    at = graph.nodes.get(link.from);
  }
  const ahead = linksOutOf(graph, node.id).find((link) => link.type !== "*");
  return ahead?.type ?? "*";
}

function primitiveShape(node: GraphNode, around: Surroundings): NodeShape {
  const target = firstTarget(node, around);
  const widget = target && {
    ...target,
    name: "value",
    label: "value",
    control: target.kind === "int" || target.kind === "choice",
  };
  return {
    ...bare,
    kind: "primitive",
    title: "Primitive",
    category: "utils",
    inputs: [],
    widgets: widget ? [widget] : [],
    outputs: [{ name: widget?.label ?? "connect to a widget", type: widget?.type ?? "*", list: false }],
  };
}

function firstTarget(node: GraphNode, around: Surroundings): WidgetSchema | undefined {
  for (const link of linksOutOf(around.graph, node.id)) {
    const to = around.graph.nodes.get(link.to);
    if (!to || to.type === REROUTE || to.type === PRIMITIVE) continue;
    const widget = shapeOf(to, around).widgets.find((one) => one.name === link.input);
    if (widget) return widget;
  }
  return undefined;
}

function unknownShape(node: GraphNode): NodeShape {
  return {
    ...bare,
    kind: "unknown",
    title: node.type,
    description: `This server has no node called ${node.type}. What the file says of it is kept.`,
    inputs: node.inputs.map(slotInput),
    outputs: node.outputs.map(slotOutput),
  };
}

function subgraphShape(node: GraphNode, definition: Subgraph, around: Surroundings): NodeShape {
  const inside: Surroundings = { ...around, graph: definition.graph };
  const widgets = promoted(node, definition, inside);
  return {
    ...bare,
    kind: "subgraph",
    title: definition.name,
    category: "subgraph",
    description: asText(definition.rest.description),
    inputs: definition.inputs.map((port) => ({
      name: port.name,
      label: port.label ?? port.name,
      type: port.type,
      optional: true,
      widget: widgets.find((one) => one.name === port.name && !one.inner)?.name,
    })),
    outputs: definition.outputs.map((port) => ({ name: port.label ?? port.name, type: port.type, list: false })),
    widgets,
  };
}

/** The entries of `properties.proxyWidgets`, or the widget-backed inputs where a file has none. */
export function proxyEntries(node: GraphNode): readonly (readonly [string, string])[] | undefined {
  const properties = isObject(node.rest.properties) ? node.rest.properties : {};
  if (!isList(properties.proxyWidgets)) return undefined;
  return properties.proxyWidgets.filter(isPair).map((pair) => [String(pair[0]), String(pair[1])] as const);
}

function isPair(value: Json): value is readonly Json[] {
  return isList(value) && value.length >= 2;
}

function promoted(node: GraphNode, definition: Subgraph, inside: Surroundings): readonly WidgetShape[] {
  const backed = backedBy(definition, inside);
  const entries = proxyEntries(node);
  if (!entries) return backed;
  const listed = entries.flatMap(([id, name]): WidgetShape[] => {
    if (id === "-1") return backed.filter((one) => one.name === name);
    const target = inside.graph.nodes.get(id);
    const widget = target && shapeOf(target, inside).widgets.find((one) => one.name === name);
    return widget ? [{ ...widget, name: `${id}:${name}`, inner: { node: id, widget: name } }] : [];
  });
  const missing = backed.filter((one) => !listed.some((two) => two.name === one.name));
  return [...listed, ...missing];
}

const backing = new WeakMap<Doc["subgraphs"], WeakMap<Catalogue, Map<GraphId, readonly WidgetShape[]>>>();

/** The widgets that a definition's inputs feed: the same for all of its nodes, and asked for by each at every level. */
function backedBy(definition: Subgraph, inside: Surroundings): readonly WidgetShape[] {
  const { doc, catalogue } = inside;
  const byCatalogue = backing.get(doc.subgraphs) ?? new WeakMap<Catalogue, Map<GraphId, readonly WidgetShape[]>>();
  backing.set(doc.subgraphs, byCatalogue);
  const known = byCatalogue.get(catalogue) ?? new Map<GraphId, readonly WidgetShape[]>();
  byCatalogue.set(catalogue, known);
  const found = known.get(definition.id);
  if (found) return found;
  const made = definition.inputs.flatMap((port, slot) => {
    const widget = behind(slot, inside);
    return widget ? [{ ...widget, name: port.name, label: port.label ?? port.name, inner: undefined }] : [];
  });
  known.set(definition.id, made);
  return made;
}

/** The widget that a definition's input feeds, with the value it has inside as its default. */
export function behind(slot: number, inside: Surroundings): WidgetShape | undefined {
  for (const link of linksOutOf(inside.graph, GRAPH_INPUT)) {
    if (link.slot !== slot || link.to === GRAPH_OUTPUT) continue;
    const target = inside.graph.nodes.get(link.to);
    const widget = target && fedWidget(target, link.input, inside);
    if (widget) return widget;
  }
  return undefined;
}

function fedWidget(target: GraphNode, input: string, inside: Surroundings): WidgetShape | undefined {
  const shape = shapeOf(target, inside);
  const widget = shape.widgets.find((one) => one.name === input);
  if (widget) {
    const follows = widget.control ? { follows: controlOf(target, widget) } : {};
    return { ...widget, default: widgetValue(target, widget, inside), ...follows };
  }
  const slot = shape.kind === "unknown" ? target.inputs.find((one) => one.name === input && one.widget) : undefined;
  const value = slot && valuesBySlots(target)[slot.widget as string];
  return slot && { ...slotWidget(slot), ...(value === undefined ? {} : { default: value }) };
}

export function titleOf(node: GraphNode, shape: NodeShape): string {
  return node.title || shape.title;
}

/** The value that the widget holds now: what the document says, or the default. */
export function widgetValue(node: GraphNode, widget: WidgetShape, around: Surroundings): Json {
  if (widget.inner && node.values[widget.name] === undefined) {
    const inner = around.doc.subgraphs.get(node.type)?.graph.nodes.get(widget.inner.node);
    const graph = around.doc.subgraphs.get(node.type)?.graph;
    if (inner && graph) {
      const own = { ...around, graph };
      const target = shapeOf(inner, own).widgets.find((one) => one.name === widget.inner?.widget);
      if (target) return widgetValue(inner, target, own);
    }
  }
  return heldValue(node, widget.name) ?? widget.default;
}

export function controlOf(node: GraphNode, widget: WidgetShape): string {
  return asText(node.values[`${widget.name}:control`], widget.follows ?? "fixed");
}

export interface Placed {
  readonly node: GraphNode;
  readonly shape: NodeShape;
}

/** A node of the graph with its shape, the two ends of a subgraph included. */
export function placedNode(around: Surroundings, at: GraphId, id: NodeId): Placed | undefined {
  const definition = around.doc.subgraphs.get(at);
  if (definition && (id === GRAPH_INPUT || id === GRAPH_OUTPUT)) return endOf(definition, id);
  const node = around.graph.nodes.get(id);
  return node && { node, shape: shapeOf(node, around) };
}

/** The name of the socket at a subgraph's end that makes a new one. */
export const NEW_PORT = "+";

export function endOf(definition: Subgraph, id: NodeId): Placed {
  const box = id === GRAPH_INPUT ? definition.inputNode.bounding : definition.outputNode.bounding;
  const [x, y] = isList(box) ? box.map(Number) : [];
  const node: GraphNode = {
    id,
    type: "ends",
    x: x ?? 0,
    y: y ?? 0,
    width: 180,
    mode: 0,
    collapsed: false,
    values: {},
    inputs: [],
    outputs: [],
    rest: {},
  };
  const inside = id === GRAPH_INPUT;
  const more = { name: NEW_PORT, label: "new", type: "*", optional: true, list: false };
  const shape: NodeShape = {
    ...bare,
    kind: "ends",
    title: inside ? "Inputs" : "Outputs",
    inputs: inside
      ? []
      : [
          ...definition.outputs.map((one) => ({
            name: one.id,
            label: one.label ?? one.name,
            type: one.type,
            optional: true,
          })),
          more,
        ],
    outputs: inside
      ? [...definition.inputs.map((one) => ({ name: one.label ?? one.name, type: one.type, list: false })), more]
      : [],
  };
  return { node, shape };
}
