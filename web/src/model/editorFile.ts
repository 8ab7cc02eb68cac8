import {
  type Doc,
  type Frame,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphNode,
  type Link,
  linkInto,
  linksOutOf,
  type Mode,
  type NodeId,
  type Pin,
  type Port,
  runOrder,
  type Slot,
  type Subgraph,
} from "./document";
import { asNumber, asText, isList, isObject, type Json, type JsonObject, without } from "./json";
import { HEADER, layoutNode } from "./layout";
import { keptDots } from "./reroutes";
import type { Catalogue, NodeSchema } from "./schema";
import { isNote, type NodeShape, proxyEntries, REROUTE, type Surroundings, shapeOf } from "./shape";

/*
 * The editor format 0.4, and version 1 with its links as objects. Nothing that a file says is dropped: what this
 * editor does not understand stays in `rest` and is written again. Saving is a fixed point: what was saved once,
 * opened and saved again gives the same bytes.
 */

export class BadFile extends Error {}

const CONTROLS = ["fixed", "increment", "decrement", "randomize"];
/** Whether a value says what happens to a seed after a run. */
export function isControl(value: Json | undefined): boolean {
  return typeof value === "string" && CONTROLS.includes(value);
}

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
export function openEditorFile(file: JsonObject, catalogue: Catalogue, newId: () => string): Doc {
  if (!isEditorFile(file)) throw new BadFile("This JSON has no list of nodes: it is not a workflow of the editor.");
  const extra = dotsInExtra(file);
  const own = isObject(extra.sfumato) ? extra.sfumato : {};
  const definitions =
    isObject(file.definitions) && isList(file.definitions.subgraphs) ? file.definitions.subgraphs : [];
  const subgraphs = definitions.filter(isObject).map(readSubgraph);
  const doc: Doc = {
    id: asText(file.id) || newId(),
    root: readGraph(file),
    subgraphs: new Map(subgraphs.map((one) => [one.id, one])),
    form: readForm(own.form),
    extra: without(extra, ["sfumato"]),
    rest: without(file, [...TOP_KEYS, "reroutes"]),
  };
  return nameValues(
    { ...doc, rest: { revision: file.revision ?? 0, config: file.config ?? {}, ...doc.rest } },
    catalogue,
  );
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

function readGraph(file: JsonObject): Graph {
  const raw = isList(file.nodes) ? file.nodes.filter(isObject) : [];
  const nodes = new Map(raw.map((one) => [String(one.id), readNode(one)]));
  const links = new Map<number, Link>();
  for (const entry of isList(file.links) ? file.links : []) {
    const link = readLink(entry, nodes);
    if (link) links.set(link.id, link);
  }
  const state = isObject(file.state) ? file.state : {};
  const groups = isList(file.groups) ? file.groups.filter(isObject) : [];
  const frames = groups.map((group, i) => readFrame(group, i + 1));
  return {
    nodes,
    links: onePerInput(links),
    frames: new Map(frames.map((frame) => [frame.id, frame])),
    lastNode: largest([asNumber(file.last_node_id), asNumber(state.lastNodeId), ...[...nodes.keys()].map(Number)]),
    lastLink: largest([asNumber(file.last_link_id), asNumber(state.lastLinkId), ...links.keys()]),
  };
}

function largest(numbers: readonly number[]): number {
  return numbers.reduce((top, one) => (Number.isFinite(one) && one > top ? one : top), 0);
}

function onePerInput(links: ReadonlyMap<number, Link>): Map<number, Link> {
  const last = new Map<string, Link>();
  for (const link of links.values()) if (link.to !== GRAPH_OUTPUT) last.set(`${link.to} ${link.input}`, link);
  return new Map(
    [...links].filter(([, link]) => link.to === GRAPH_OUTPUT || last.get(`${link.to} ${link.input}`) === link),
  );
}

function readNode(raw: JsonObject): GraphNode {
  const [x, y] = pair(raw.pos);
  const [width, height] = raw.size === undefined ? [undefined, undefined] : pair(raw.size);
  const flags = isObject(raw.flags) ? raw.flags : {};
  const mode = raw.mode === 2 || raw.mode === 4 ? (raw.mode as Mode) : 0;
  return {
    id: String(raw.id),
    type: asText(raw.type).trim(),
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
    inputs: readSlots(raw.inputs),
    outputs: readSlots(raw.outputs),
    rest: without(raw, NODE_KEYS),
  };
}

/** Two numbers from [a, b], or from {"0": a, "1": b} as older files have it. */
function pair(value: Json | undefined): readonly [number | undefined, number | undefined] {
  if (isList(value)) return [asNumber(value[0]), asNumber(value[1])];
  if (isObject(value)) return [asNumber(value[0]), asNumber(value[1])];
  return [undefined, undefined];
}

function readSlots(value: Json | undefined): readonly Slot[] {
  if (!isList(value)) return [];
  return value.filter(isObject).map((raw) => {
    const widget = isObject(raw.widget) ? asText(raw.widget.name) : "";
    const slot: Slot = {
      name: asText(raw.name),
      type: typeof raw.type === "string" ? raw.type : "*",
      rest: without(raw, ["name", "type", "label", "widget", "link", "links", "slot_index"]),
    };
    return {
      ...slot,
      ...(typeof raw.label === "string" ? { label: raw.label } : {}),
      ...(widget ? { widget } : {}),
    };
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

function readSubgraph(raw: JsonObject): Subgraph {
  const outputs = readPorts(raw.outputs);
  const graph = readGraph(raw);
  const named = [...graph.links].map(([id, link]): [number, Link] =>
    link.to === GRAPH_OUTPUT ? [id, { ...link, input: outputs[Number(link.input)]?.id ?? link.input }] : [id, link],
  );
  return {
    id: asText(raw.id),
    name: asText(raw.name, "Subgraph"),
    inputs: readPorts(raw.inputs),
    outputs,
    graph: { ...graph, links: new Map(named) },
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
function nameValues(doc: Doc, catalogue: Catalogue): Doc {
  const named = (graph: Graph): Graph => {
    const around: Surroundings = { catalogue, doc, graph };
    const nodes = [...graph.nodes].map(([id, node]) => [id, nameNode(node, shapeOf(node, around), catalogue)] as const);
    return { ...graph, nodes: new Map(nodes) };
  };
  const subgraphs = [...doc.subgraphs].map(([id, one]) => [id, { ...one, graph: named(one.graph) }] as const);
  return { ...doc, root: named(doc.root), subgraphs: new Map(subgraphs) };
}

function nameNode(node: GraphNode, shape: NodeShape, catalogue: Catalogue): GraphNode {
  const loose = node.loose;
  if (loose === undefined || loose === null || shape.kind === "unknown") return node;
  if (isObject(loose)) return { ...node, values: loose, loose: undefined };
  if (!isList(loose)) return node;
  const { values, rest } = readValues(node, shape, loose, catalogue.get(node.type));
  return { ...node, values, loose: rest.length ? rest : undefined };
}

interface Named {
  readonly values: Record<string, Json>;
  readonly rest: readonly Json[];
}

function readValues(node: GraphNode, shape: NodeShape, list: readonly Json[], schema?: NodeSchema): Named {
  if (shape.kind === "primitive") return readPrimitive(list);
  if (shape.kind === "subgraph") return readInstance(node, shape, list);
  if (schema && isLegacy(schema, list.length)) return readLegacy(schema, list);
  const values: Record<string, Json> = {};
  let at = 0;
  shape.widgets.forEach((widget, i) => {
    if (i === shape.uploadAfter && isUploadSlot(list[at])) at += 1;
    if (at >= list.length) return;
    values[widget.name] = list[at++] ?? null;
    if (widget.control && CONTROLS.includes(String(list[at]))) values[`${widget.name}:control`] = list[at++] as Json;
  });
  if (shape.uploadAfter === shape.widgets.length && isUploadSlot(list[at])) at += 1;
  return { values, rest: list.slice(at) };
}

function isUploadSlot(value: Json | undefined): boolean {
  return value === "image" || value === null || value === "";
}

function readPrimitive(list: readonly Json[]): Named {
  const values: Record<string, Json> = {};
  if (list.length) values.value = list[0] ?? null;
  const control = CONTROLS.includes(String(list[1]));
  if (control) values["value:control"] = list[1] ?? null;
  return { values, rest: list.slice(control ? 2 : 1) };
}

/** Values of an instance follow its list of exposed widgets; those of inner nodes live in the inner nodes. */
function readInstance(node: GraphNode, shape: NodeShape, list: readonly Json[]): Named {
  const names =
    proxyEntries(node)?.map(([id, name]) => (id === "-1" ? name : undefined)) ?? shape.widgets.map((one) => one.name);
  const values: Record<string, Json> = {};
  names.forEach((name, i) => {
    const value = list[i];
    if (name !== undefined && value !== undefined && value !== null) values[name] = value;
  });
  return { values, rest: [] };
}

function isLegacy(schema: NodeSchema, length: number): boolean {
  const count = (forced: boolean) =>
    schema.legacy.filter((one) => forced || !one.forced).reduce((sum, one) => sum + (one.control ? 2 : 1), 0);
  return schema.legacy.some((one) => one.forced) && count(true) === length && count(false) !== length;
}

function readLegacy(schema: NodeSchema, list: readonly Json[]): Named {
  const values: Record<string, Json> = {};
  let at = 0;
  for (const one of schema.legacy) {
    const value = list[at++] ?? null;
    if (!one.forced) values[one.name] = value;
    if (one.control) values[`${one.name}:control`] = list[at++] ?? "fixed";
  }
  return { values, rest: [] };
}

/** The document as an editor file, version 0.4. */
export function saveEditorFile(doc: Doc, catalogue: Catalogue): JsonObject {
  const { revision, config, ...rest } = doc.rest;
  const graph = writeGraph(doc.root, doc, catalogue);
  const definitions = [...doc.subgraphs.values()].map((one) => writeSubgraph(one, doc, catalogue));
  return {
    id: doc.id,
    revision: revision ?? 0,
    last_node_id: doc.root.lastNode,
    last_link_id: doc.root.lastLink,
    nodes: graph.nodes,
    links: graph.links.map(({ id, from, slot, to, toSlot, type }) => [
      id,
      fileId(from),
      slot,
      fileId(to),
      toSlot,
      type,
    ]),
    groups: graph.groups,
    ...(definitions.length ? { definitions: { subgraphs: definitions } } : {}),
    config: config ?? {},
    extra: writeExtra(doc),
    version: 0.4,
    ...rest,
  };
}

function writeExtra(doc: Doc): JsonObject {
  const linked = keepLinks(doc.extra, doc.root);
  const reroutes = keptDots(linked.reroutes, doc.root);
  const extra = reroutes === undefined ? linked : { ...linked, reroutes };
  if (!doc.form.length) return extra;
  return { ...extra, sfumato: { form: doc.form.map((pin) => ({ ...pin })) } };
}

/** Decorations of links that are gone go with them. */
function keepLinks(extra: JsonObject, graph: Graph): JsonObject {
  if (!isList(extra.linkExtensions)) return extra;
  const kept = extra.linkExtensions.filter((one) => isObject(one) && graph.links.has(asNumber(one.id, -1)));
  return kept.length === extra.linkExtensions.length ? extra : { ...extra, linkExtensions: kept };
}

interface Written {
  readonly nodes: readonly JsonObject[];
  readonly links: readonly (Link & { toSlot: number })[];
  readonly groups: readonly JsonObject[];
}

function writeGraph(graph: Graph, doc: Doc, catalogue: Catalogue, outputs: readonly Port[] = []): Written {
  const around: Surroundings = { catalogue, doc, graph };
  const inputs = new Map<NodeId, readonly Slot[]>();
  for (const node of graph.nodes.values()) inputs.set(node.id, writtenInputs(node, shapeOf(node, around)));
  const links = [...graph.links.values()]
    .map((link) => ({ ...link, toSlot: slotOf(link, inputs, outputs) }))
    .filter((link) => link.toSlot >= 0);
  // Links to sockets that are not there go, and what depended on them (a reroute's type) goes with them.
  if (links.length < graph.links.size) {
    const kept = new Map([...graph.links].filter(([id]) => links.some((link) => link.id === id)));
    return writeGraph({ ...graph, links: kept }, doc, catalogue, outputs);
  }
  const order = new Map(runOrder(graph).map((id, i) => [id, i]));
  return {
    nodes: [...graph.nodes.values()].map((node) =>
      writeNode({ node, around, inputs: inputs.get(node.id) ?? [], order: order.get(node.id) ?? 0 }),
    ),
    links,
    groups: [...graph.frames.values()].map(writeFrame),
  };
}

function slotOf(link: Link, inputs: ReadonlyMap<NodeId, readonly Slot[]>, outputs: readonly Port[]): number {
  if (link.to !== GRAPH_OUTPUT) return inputs.get(link.to)?.findIndex((slot) => slot.name === link.input) ?? -1;
  return outputs.findIndex((port) => port.id === link.input);
}

function writtenInputs(node: GraphNode, shape: NodeShape): readonly Slot[] {
  if (shape.kind === "unknown") return node.inputs;
  return shape.inputs.map((input) => {
    const known = node.inputs.find((slot) => slot.name === input.name);
    const slot: Slot = { name: input.name, type: input.type, rest: known?.rest ?? {} };
    const said = shape.kind === "subgraph" && input.label !== input.name ? input.label : known?.label;
    const label = said !== undefined ? { label: said } : {};
    return { ...slot, ...label, ...(input.widget ? { widget: input.widget } : {}) };
  });
}

interface Writing {
  readonly node: GraphNode;
  readonly around: Surroundings;
  readonly inputs: readonly Slot[];
  readonly order: number;
}

function writeNode({ node, around, inputs, order }: Writing): JsonObject {
  const shape = shapeOf(node, around);
  const layout = layoutNode({ node, shape, linked: new Set() });
  const { flags, properties, ...rest } = node.rest;
  const marks = isObject(flags) ? without(flags, ["collapsed"]) : {};
  const values = writeValues(node, shape);
  return {
    id: fileId(node.id),
    type: node.type,
    pos: [node.x, node.y],
    size: [node.width ?? layout.width, node.height ?? Math.max(26, layout.height - HEADER)],
    flags: node.collapsed ? { ...marks, collapsed: true } : marks,
    order,
    mode: node.mode,
    inputs: inputs.map((slot) => writeInput(slot, linkInto(around.graph, node.id, slot.name)?.id ?? null)),
    outputs: writtenOutputs(node, shape).map((slot, i) => writeOutput(slot, outLinks(around.graph, node.id, i))),
    ...(node.title === undefined ? {} : { title: node.title }),
    properties: writeProperties(properties, node, shape),
    ...(values === undefined ? {} : { widgets_values: values }),
    ...(node.color ? { color: node.color } : {}),
    ...(node.bgcolor ? { bgcolor: node.bgcolor } : {}),
    ...rest,
  };
}

function writeProperties(properties: Json | undefined, node: GraphNode, shape: NodeShape): Json {
  const entries = shape.kind === "subgraph" ? instanceEntries(node, shape) : undefined;
  if (entries && isObject(properties) && entries.length > (proxyEntries(node)?.length ?? 0))
    return { ...properties, proxyWidgets: entries.map(([id, name]) => [id, name]) };
  return properties ?? (isNote(node.type) ? {} : { "Node name for S&R": node.type });
}

function writtenOutputs(node: GraphNode, shape: NodeShape): readonly Slot[] {
  if (shape.kind === "unknown") return node.outputs;
  return shape.outputs.map((output, i) => {
    const known = node.outputs[i];
    const label = known?.label !== undefined ? { label: known.label } : {};
    return { name: known?.name ?? output.name, type: output.type, rest: known?.rest ?? {}, ...label };
  });
}

function outLinks(graph: Graph, id: NodeId, slot: number): readonly number[] {
  return linksOutOf(graph, id)
    .filter((link) => link.slot === slot)
    .map((link) => link.id);
}

function writeInput(slot: Slot, link: number | null): JsonObject {
  const label: JsonObject = slot.label === undefined ? {} : { label: slot.label };
  const widget: JsonObject = slot.widget === undefined ? {} : { widget: { name: slot.widget } };
  return { name: slot.name, type: slot.type, ...label, ...slot.rest, ...widget, link };
}

function writeOutput(slot: Slot, links: readonly number[]): JsonObject {
  const label: JsonObject = slot.label === undefined ? {} : { label: slot.label };
  return { name: slot.name, type: slot.type, ...label, ...slot.rest, links: links.length ? links : null };
}

function writeValues(node: GraphNode, shape: NodeShape): Json | undefined {
  if (shape.kind === "unknown") return node.loose;
  const rest = isList(node.loose) ? node.loose : [];
  if (shape.kind === "primitive") return writePrimitive(node, rest);
  if (shape.kind === "subgraph") return writeInstance(node, shape);
  const list: Json[] = [];
  shape.widgets.forEach((widget, i) => {
    if (i === shape.uploadAfter) list.push("image");
    list.push(node.values[widget.name] ?? widget.default);
    if (widget.control) list.push(node.values[`${widget.name}:control`] ?? "fixed");
  });
  if (shape.uploadAfter === shape.widgets.length) list.push("image");
  list.push(...rest);
  return list.length ? list : undefined;
}

function writePrimitive(node: GraphNode, rest: readonly Json[]): Json | undefined {
  if (node.values.value === undefined) return rest.length ? rest : undefined;
  const control = node.values["value:control"];
  return [node.values.value, ...(control === undefined ? [] : [control]), ...rest];
}

/** The instance's list of widgets, and those that have a value without being in it: a socket was added later. */
function instanceEntries(node: GraphNode, shape: NodeShape): readonly (readonly [string, string])[] | undefined {
  const known = proxyEntries(node);
  const late = shape.widgets.filter(
    (one) =>
      !one.inner &&
      node.values[one.name] !== undefined &&
      !known?.some(([id, name]) => id === "-1" && name === one.name),
  );
  return known && [...known, ...late.map((one) => ["-1", one.name] as const)];
}

function writeInstance(node: GraphNode, shape: NodeShape): Json {
  const names =
    instanceEntries(node, shape)?.map(([id, name]) => (id === "-1" ? name : undefined)) ??
    shape.widgets.map((one) => one.name);
  const list = names.map((name) => (name === undefined ? null : (node.values[name] ?? null)));
  while (list.length && list[list.length - 1] === null) list.pop();
  return list;
}

function writeFrame(frame: Frame): JsonObject {
  return {
    id: frame.id,
    title: frame.title,
    bounding: [frame.x, frame.y, frame.width, frame.height],
    ...(frame.color ? { color: frame.color } : {}),
    ...(frame.folded ? { folded: { nodes: frame.folded.nodes.map(fileId), groups: frame.folded.frames } } : {}),
    ...frame.rest,
  };
}

function writeSubgraph(one: Subgraph, doc: Doc, catalogue: Catalogue): JsonObject {
  const written = writeGraph(one.graph, doc, catalogue, one.outputs);
  const reroutes = keptDots(one.rest.reroutes, one.graph);
  const linkIds = (test: (link: Link) => boolean) => [...one.graph.links.values()].filter(test).map((link) => link.id);
  return {
    id: one.id,
    version: 1,
    state: {
      lastGroupId: largest([...one.graph.frames.keys()]),
      lastNodeId: one.graph.lastNode,
      lastLinkId: one.graph.lastLink,
      lastRerouteId: 0,
    },
    name: one.name,
    inputNode: { id: -10, ...one.inputNode },
    outputNode: { id: -20, ...one.outputNode },
    inputs: one.inputs.map((port, slot) =>
      writePort(
        port,
        linkIds((link) => link.from === GRAPH_INPUT && link.slot === slot),
      ),
    ),
    outputs: one.outputs.map((port) =>
      writePort(
        port,
        linkIds((link) => link.to === GRAPH_OUTPUT && link.input === port.id),
      ),
    ),
    nodes: written.nodes,
    groups: written.groups,
    links: written.links.map((link) => ({
      id: link.id,
      origin_id: fileId(link.from),
      origin_slot: link.slot,
      target_id: fileId(link.to),
      target_slot: link.toSlot,
      type: link.type,
      ...link.rest,
    })),
    ...one.rest,
    ...(reroutes === undefined ? {} : { reroutes }),
  };
}

function writePort(port: Port, linkIds: readonly number[]): JsonObject {
  const label: JsonObject = port.label === undefined ? {} : { label: port.label };
  return { id: port.id, name: port.name, type: port.type, linkIds, ...label, ...port.rest };
}

/** Ids are numbers in files, but for the few that never were. */
export function fileId(id: NodeId): Json {
  return /^-?\d{1,15}$/.test(id) ? Number(id) : id;
}

/** Node classes that neither the server nor the file defines, with how many nodes want each. */
export function missingTypes(doc: Doc, catalogue: Catalogue): ReadonlyMap<string, number> {
  const missing = new Map<string, number>();
  for (const graph of [doc.root, ...[...doc.subgraphs.values()].map((one) => one.graph)]) {
    const around: Surroundings = { catalogue, doc, graph };
    for (const node of graph.nodes.values())
      if (shapeOf(node, around).kind === "unknown") missing.set(node.type, (missing.get(node.type) ?? 0) + 1);
  }
  return missing;
}
