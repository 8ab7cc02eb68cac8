import { uses } from "./clip";
import {
  type Doc,
  type Frame,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphNode,
  type Link,
  type Mode,
  type NodeId,
  type Pin,
  type Port,
  type Slot,
  type Subgraph,
  unfoldedCount,
} from "./document";
import { readEverywhere } from "./everywhere";
import { settleExposed } from "./exposed";
import { withoutGroupNodes } from "./groupNodes";
import { asNumber, asText, isList, isObject, type Json, type JsonObject, largest, without } from "./json";
import { currentClass, currentInput } from "./legacy";
import type { Catalogue } from "./schema";
import { type Surroundings, shapeOf } from "./shape";
import type { Told } from "./told";
import { isVirtual, REROUTE } from "./virtual";
import { nameValues } from "./widgetList";

/*
 * The editor format 0.4, and version 1 with its links as objects. Nothing that a file says is dropped: what this
 * editor does not understand stays in `rest` and is written again. Saving is a fixed point: what was saved once,
 * opened and saved again gives the same bytes.
 */

export class BadFile extends Error {}

/** A file that unfolds to more is refused, as the server does: nested subgraphs can multiply without end. */
const MOST_NODES = 200_000;

const NODE_KEYS = [
  "id",
  "type",
  "pos",
  "size",
  "mode",
  "title",
  "color",
  "bgcolor",
  "order",
  "inputs",
  "outputs",
  "widgets_values",
];
const TOP_KEYS = [
  "id",
  "revision",
  "last_node_id",
  "last_link_id",
  "state",
  "nodes",
  "links",
  "groups",
  "definitions",
  "extra",
  "version",
  "config",
];

export function isEditorFile(value: unknown): value is JsonObject {
  return isObject(value) && isList(value.nodes) && (isList(value.links) || value.links === undefined);
}

/** The document that an editor file holds. Raises BadFile where it holds none. */
export function openEditorFile(
  given: JsonObject,
  catalogue: Catalogue,
  newId: () => string,
  told: Told = new Map(),
): Doc {
  if (!isEditorFile(given)) throw new BadFile("This JSON has no list of nodes: it is not a workflow of the editor.");
  const file = withoutGroupNodes(given, catalogue, newId);
  const extra = dotsInExtra(file);
  const own = isObject(extra.sfumato) ? extra.sfumato : {};
  const definitions =
    isObject(file.definitions) && isList(file.definitions.subgraphs) ? file.definitions.subgraphs : [];
  const subgraphs = definitions.filter(isObject).map((one) => readSubgraph(one, catalogue, told));
  const doc: Doc = {
    id: asText(file.id) || newId(),
    root: readGraph(file, catalogue, told),
    subgraphs: new Map(subgraphs.map((one) => [one.id, one])),
    form: readForm(own.form),
    extra: without(extra, ["sfumato"]),
    rest: without(file, [...TOP_KEYS, "reroutes"]),
  };
  const endless = [...doc.subgraphs.values()].find((one) =>
    [...one.graph.nodes.values()].some((node) => uses(doc, node.type, one.id)),
  );
  if (endless) throw new BadFile(`The subgraph "${endless.name}" contains itself. Take it out of itself.`);
  if (unfoldedCount(doc) > MOST_NODES)
    throw new BadFile(`The workflow's subgraphs unfold to more than ${MOST_NODES} nodes.`);
  const whole = { ...doc, rest: { revision: file.revision ?? 0, config: file.config ?? {}, ...doc.rest } };
  return settleExposed(nameAll(whole, catalogue), catalogue);
}

/** Version 1 keeps the points of links beside the links; 0.4, which is what is written, in `extra`. */
function dotsInExtra(file: JsonObject): JsonObject {
  const extra = isObject(file.extra) ? file.extra : {};
  if (!isList(file.reroutes) || extra.reroutes !== undefined) return extra;
  const links = isList(file.links) ? file.links.filter(isObject) : [];
  const linkExtensions = links.flatMap(({ id, parentId }) =>
    parentId === undefined ? [] : [{ id: id ?? 0, parentId }],
  );
  return { ...extra, reroutes: file.reroutes, linkExtensions };
}

function readForm(form: Json | undefined): readonly Pin[] {
  if (!isList(form)) return [];
  return form.filter(isObject).flatMap((pin) => {
    const node = asText(pin.node);
    const widget = asText(pin.widget);
    if (!node || !widget) return [];
    return [typeof pin.label === "string" ? { node, widget, label: pin.label } : { node, widget }];
  });
}

function readGraph(file: JsonObject, catalogue: Catalogue, told: Told): Graph {
  const raw = isList(file.nodes) ? file.nodes.filter(isObject) : [];
  const nodes = byId(raw.map((one) => readNode(one, catalogue)));
  const links = new Map<number, Link>();
  for (const entry of isList(file.links) ? file.links : []) {
    const link = readLink(entry, nodes);
    if (link) links.set(link.id, link);
  }
  const state = isObject(file.state) ? file.state : {};
  const groups = isList(file.groups) ? file.groups.filter(isObject) : [];
  const frames = groups.map((group, i) => readFrame(group, i + 1));
  const kept = onePerInput(links, isList(file.outputs) ? file.outputs : []);
  const everywhere = readEverywhere(file.extra, nodes, kept.values());
  return {
    nodes: told.size ? withTold(nodes, raw, told) : nodes,
    links: kept,
    ...(everywhere ? { everywhere } : {}),
    frames: new Map(frames.map((frame) => [frame.id, frame])),
    lastNode: largest([asNumber(file.last_node_id), asNumber(state.lastNodeId), ...[...nodes.keys()].map(Number)]),
    lastLink: largest([asNumber(file.last_link_id), asNumber(state.lastLinkId), ...links.keys()]),
  };
}

/** The nodes with the fields that were told of them, in their order; links know their inputs by name already. */
function withTold(
  nodes: ReadonlyMap<NodeId, GraphNode>,
  raw: readonly JsonObject[],
  told: Told,
): ReadonlyMap<NodeId, GraphNode> {
  const fields = new Map(raw.map((one) => [String(one.id), told.get(one)] as const));
  return new Map(
    [...nodes].map(([id, node]) => {
      const own = fields.get(id);
      if (!own) return [id, node];
      const slots = own.map(
        ({ name, type }): Slot =>
          node.inputs.find((slot) => slot.name === name) ?? { name, type, widget: name, rest: {} },
      );
      const others = node.inputs.filter((slot) => !own.some(({ name }) => name === slot.name));
      return [id, { ...node, inputs: [...others, ...slots.map((slot) => ({ ...slot, widget: slot.name }))] }];
    }),
  );
}

/** The nodes by their ids; of two with one id, the second gets another. */
function byId(list: readonly GraphNode[]): ReadonlyMap<NodeId, GraphNode> {
  let last = largest(list.map((node) => Number(node.id)));
  const nodes = new Map<NodeId, GraphNode>();
  for (const node of list) {
    const id = nodes.has(node.id) ? String(++last) : node.id;
    nodes.set(id, id === node.id ? node : { ...node, id });
  }
  return nodes;
}

/** Of two links into one input the last; into one output of a subgraph, the one that the output names first. */
function onePerInput(links: ReadonlyMap<number, Link>, outputs: readonly Json[]): Map<number, Link> {
  const last = new Map<string, Link>();
  for (const link of links.values()) last.set(`${link.to} ${link.input}`, link);
  for (const [slot, output] of outputs.entries()) {
    const [first] = isObject(output) && isList(output.linkIds) ? output.linkIds : [];
    const link = links.get(asNumber(first, -1));
    if (link?.to === GRAPH_OUTPUT && link.input === String(slot)) last.set(`${link.to} ${link.input}`, link);
  }
  return new Map([...links].filter(([, link]) => last.get(`${link.to} ${link.input}`) === link));
}

function readNode(raw: JsonObject, catalogue: Catalogue): GraphNode {
  const type = currentClass(asText(raw.type));
  const current = (name: string) => currentInput(type, name, catalogue.get(type));
  const [x, y] = pair(raw.pos);
  const [width, height] = raw.size === undefined ? [undefined, undefined] : pair(raw.size);
  const flags = isObject(raw.flags) ? raw.flags : {};
  const mode = raw.mode === 2 || raw.mode === 4 ? (raw.mode as Mode) : 0;
  return {
    id: String(raw.id),
    type,
    x: x ?? 0,
    y: y ?? 0,
    width,
    height,
    title: typeof raw.title === "string" ? raw.title : undefined,
    mode,
    collapsed: flags.collapsed === true,
    color: asText(raw.color) || undefined,
    bgcolor: asText(raw.bgcolor) || undefined,
    values: {},
    loose: raw.widgets_values,
    inputs: readSlots(raw.inputs, current),
    outputs: readOutputs(raw.outputs),
    rest: without(raw, NODE_KEYS),
  };
}

/** Two numbers from [a, b], or from {"0": a, "1": b} as older files have it. */
function pair(value: Json | undefined): readonly [number | undefined, number | undefined] {
  if (isList(value)) return [asNumber(value[0]), asNumber(value[1])];
  if (isObject(value)) return [asNumber(value[0]), asNumber(value[1])];
  return [undefined, undefined];
}

function readSlots(value: Json | undefined, current = (name: string) => name): readonly Slot[] {
  if (!isList(value)) return [];
  return value.filter(isObject).map((raw) => {
    const widget = isObject(raw.widget) ? current(asText(raw.widget.name)) : "";
    const slot: Slot = {
      name: current(asText(raw.name)),
      type: typeof raw.type === "string" ? raw.type : "*",
      rest: without(raw, [
        "name",
        "type",
        "label",
        "link",
        "links",
        "slot_index",
        ...(moreThanName(raw.widget) ? [] : ["widget"]),
      ]),
    };
    return {
      ...slot,
      ...(typeof raw.label === "string" ? { label: raw.label } : {}),
      ...(widget ? { widget } : {}),
    };
  });
}

/** Old files describe the widget there. */
const moreThanName = (widget: Json | undefined) => isObject(widget) && Object.keys(widget).length > 1;

/** Outputs have no widgets of their own: what a primitive's says of its target's stays as it is. */
function readOutputs(value: Json | undefined): readonly Slot[] {
  const raw = isList(value) ? value.filter(isObject) : [];
  return readSlots(raw).map(({ widget: _, ...slot }, i) => {
    const widget = raw[i]?.widget;
    return widget === undefined ? slot : { ...slot, rest: { ...slot.rest, widget } };
  });
}

function readLink(entry: Json, nodes: ReadonlyMap<NodeId, GraphNode>): Link | undefined {
  const raw = isList(entry) ? fromTuple(entry) : isObject(entry) ? entry : undefined;
  if (!raw) return undefined;
  const to = String(raw.target_id);
  const slot = asNumber(raw.target_slot);
  const input = to === GRAPH_OUTPUT ? String(slot) : inputName(nodes.get(to), slot);
  const from = String(raw.origin_id);
  if (input === undefined || !(nodes.has(from) || from === GRAPH_INPUT)) return undefined;
  const type = typeof raw.type === "string" ? raw.type : "*";
  const rest = without(raw, ["id", "origin_id", "origin_slot", "target_id", "target_slot", "type"]);
  return { id: asNumber(raw.id), from, slot: asNumber(raw.origin_slot), to, input, type, rest };
}

function inputName(node: GraphNode | undefined, slot: number): string | undefined {
  return node?.type === REROUTE ? "" : node?.inputs[slot]?.name;
}

function fromTuple(entry: readonly Json[]): JsonObject | undefined {
  if (entry.length < 5) return undefined;
  const [id, origin_id, origin_slot, target_id, target_slot, type] = entry;
  return {
    id: id ?? 0,
    origin_id: origin_id ?? 0,
    origin_slot: origin_slot ?? 0,
    target_id: target_id ?? 0,
    target_slot: target_slot ?? 0,
    type: type ?? "*",
  };
}

function readFrame(raw: JsonObject, place: number): Frame {
  const box = isList(raw.bounding) ? raw.bounding : [];
  return {
    id: typeof raw.id === "number" ? raw.id : place,
    title: asText(raw.title),
    x: asNumber(box[0]),
    y: asNumber(box[1]),
    width: asNumber(box[2], 200),
    height: asNumber(box[3], 100),
    color: asText(raw.color) || undefined,
    ...(isObject(raw.folded) ? { folded: readFolded(raw.folded) } : {}),
    rest: without(raw, ["id", "title", "bounding", "color", "folded"]),
  };
}

function readFolded({ nodes, groups }: JsonObject): NonNullable<Frame["folded"]> {
  return {
    nodes: isList(nodes) ? nodes.map(String) : [],
    frames: isList(groups) ? groups.map((id) => asNumber(id)) : [],
  };
}

function readSubgraph(raw: JsonObject, catalogue: Catalogue, told: Told): Subgraph {
  const outputs = readPorts(raw.outputs);
  const graph = readGraph(raw, catalogue, told);
  const atPort = <T extends Pick<Link, "to" | "input">>(link: T): T =>
    link.to === GRAPH_OUTPUT ? { ...link, input: outputs[Number(link.input)]?.id ?? link.input } : link;
  const named = [...graph.links].map(([id, link]) => [id, atPort(link)] as const);
  const everywhere = graph.everywhere ? { everywhere: graph.everywhere.map(atPort) } : {};
  return {
    id: asText(raw.id),
    name: asText(raw.name, "Subgraph"),
    inputs: readPorts(raw.inputs),
    outputs,
    graph: { ...graph, links: new Map(named), ...everywhere },
    inputNode: isObject(raw.inputNode) ? raw.inputNode : {},
    outputNode: isObject(raw.outputNode) ? raw.outputNode : {},
    rest: without(raw, [
      "id",
      "name",
      "inputs",
      "outputs",
      "nodes",
      "links",
      "groups",
      "state",
      "inputNode",
      "outputNode",
      "version",
    ]),
  };
}

function readPorts(value: Json | undefined): readonly Port[] {
  if (!isList(value)) return [];
  return value.filter(isObject).map((raw, i) => {
    const port = {
      id: asText(raw.id) || `port-${i}`,
      name: asText(raw.name),
      type: asText(raw.type, "*"),
      rest: without(raw, ["id", "name", "type", "label", "linkIds"]),
    };
    return typeof raw.label === "string" ? { ...port, label: raw.label } : port;
  });
}

/** Gives the values their names, now that every definition is known. */
function nameAll(doc: Doc, catalogue: Catalogue): Doc {
  const named = (graph: Graph): Graph => {
    const around: Surroundings = { catalogue, doc, graph };
    const nodes = [...graph.nodes.values()].map((node) =>
      nameValues(node, shapeOf(node, around), catalogue.get(node.type)),
    );
    return { ...graph, nodes: new Map(nodes.map((node) => [node.id, node])) };
  };
  const subgraphs = [...doc.subgraphs].map(([id, one]) => [id, { ...one, graph: named(one.graph) }] as const);
  return { ...doc, root: named(doc.root), subgraphs: new Map(subgraphs) };
}

/** Node classes that neither the server nor the file defines, with how many nodes want each. */
export function missingTypes(doc: Doc, catalogue: Catalogue): ReadonlyMap<string, number> {
  const missing = new Map<string, number>();
  for (const graph of [doc.root, ...[...doc.subgraphs.values()].map((one) => one.graph)]) {
    const around: Surroundings = { catalogue, doc, graph };
    for (const node of graph.nodes.values())
      if (!isVirtual(node.type) && shapeOf(node, around).kind === "unknown")
        missing.set(node.type, (missing.get(node.type) ?? 0) + 1);
  }
  return missing;
}
