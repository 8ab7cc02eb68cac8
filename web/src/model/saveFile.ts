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
  type NodeId,
  type Port,
  runOrder,
  type Slot,
  type Subgraph,
} from "./document";
import { writeEverywhere } from "./everywhere";
import { settleExposed } from "./exposed";
import { asNumber, isList, isObject, type Json, type JsonObject, largest, without } from "./json";
import { HEADER, layoutNode } from "./layout";
import { fileInput } from "./legacy";
import { keptDots } from "./reroutes";
import type { Catalogue } from "./schema";
import { isButton } from "./schemaShape";
import { type NodeShape, proxyEntries, type Surroundings, shapeOf } from "./shape";
import { wantedType } from "./types";
import { isNote } from "./virtual";
import { instanceEntries, listValues } from "./widgetList";

/** The document as an editor file, version 0.4. */
export function saveEditorFile(given: Doc, catalogue: Catalogue): JsonObject {
  const doc = settleExposed(given, catalogue);
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
    extra: { ...writeExtra(doc), ...graph.everywhere },
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
  readonly everywhere: { readonly ue_links?: readonly JsonObject[] };
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
    everywhere: writeEverywhere(graph, (link) => slotOf(link, inputs, outputs)),
  };
}

function slotOf(
  link: Pick<Link, "to" | "input">,
  inputs: ReadonlyMap<NodeId, readonly Slot[]>,
  outputs: readonly Port[],
): number {
  if (link.to !== GRAPH_OUTPUT) return inputs.get(link.to)?.findIndex((slot) => slot.name === link.input) ?? -1;
  return outputs.findIndex((port) => port.id === link.input);
}

/** Places of buttons stay where a file has them, after the inputs. */
function writtenInputs(node: GraphNode, shape: NodeShape): readonly Slot[] {
  if (shape.kind === "unknown") return node.inputs;
  const buttons = shape.kind === "schema" ? node.inputs.filter(isButton) : [];
  return [...shapeInputs(node, shape), ...buttons];
}

function shapeInputs(node: GraphNode, shape: NodeShape): readonly Slot[] {
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
  const values = listValues(node, shape);
  const schema = around.catalogue.get(node.type);
  return {
    id: fileId(node.id),
    type: node.type,
    pos: [node.x, node.y],
    size: [node.width ?? layout.width, node.height ?? Math.max(26, layout.height - HEADER)],
    flags: node.collapsed ? { ...marks, collapsed: true } : marks,
    order,
    mode: node.mode,
    inputs: inputs.map((slot) => {
      const link = linkInto(around.graph, node.id, slot.name);
      // What goes past a bypassed node depends on the type that is wanted, so it is written.
      const type = schema && link ? wantedType(node, slot, link) : slot.type;
      return writeInput({ ...slot, name: fileInput(slot.name, schema), type }, link);
    }),
    outputs: writtenOutputs(node, shape).map((slot, i) => writeOutput(slot, i, outLinks(around.graph, node.id, i))),
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

function writeInput(slot: Slot, link: Link | undefined): JsonObject {
  const label: JsonObject = slot.label === undefined ? {} : { label: slot.label };
  const { widget: described, ...rest } = slot.rest;
  const more = isObject(described) ? without(described, ["name"]) : {};
  const widget: JsonObject = slot.widget === undefined ? {} : { widget: { name: slot.widget, ...more } };
  return { name: slot.name, type: slot.type, ...label, ...rest, ...widget, link: link?.id ?? null };
}

function writeOutput(slot: Slot, place: number, links: readonly number[]): JsonObject {
  const label: JsonObject = slot.label === undefined ? {} : { label: slot.label };
  return {
    name: slot.name,
    type: slot.type,
    ...label,
    ...slot.rest,
    slot_index: place,
    links: links.length ? links : null,
  };
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
  const linkIds = (test: (link: Link) => boolean) => written.links.filter(test).map((link) => link.id);
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
    ...(written.everywhere.ue_links && isObject(one.rest.extra)
      ? { extra: { ...one.rest.extra, ...written.everywhere } }
      : {}),
    ...(reroutes === undefined ? {} : { reroutes }),
  };
}

function writePort(port: Port, linkIds: readonly number[]): JsonObject {
  const label: JsonObject = port.label === undefined ? {} : { label: port.label };
  return { id: port.id, name: port.name, type: port.type, linkIds, ...label, ...port.rest };
}

/** Ids are numbers in files, but for the few that never were. */
function fileId(id: NodeId): Json {
  return /^-?\d{1,15}$/.test(id) ? Number(id) : id;
}
