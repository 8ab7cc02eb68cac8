import {
  type Doc,
  type Frame,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphId,
  type GraphNode,
  graphOf,
  type Link,
  linkInto,
  linksInto,
  linksOutOf,
  type Mode,
  type NodeId,
  ROOT,
  withGraph,
} from "./document";
import { innerOf, isShared, yieldExposed } from "./exposed";
import type { Json } from "./json";
import { cropped, DEFAULT_WIDTH, HEADER, layoutNode } from "./layout";
import type { Catalogue } from "./schema";
import { endOf, type Surroundings, shapeOf } from "./shape";
import { fits } from "./types";
import { REROUTE } from "./virtual";

/* Every edit takes a document and gives the next one; where nothing changes it gives the same one back. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export function surroundings(doc: Doc, at: GraphId, catalogue: Catalogue): Surroundings {
  return { catalogue, doc, graph: graphOf(doc, at) };
}

export function newNode(type: string, id: NodeId, at: Point): GraphNode {
  return {
    id,
    type,
    x: at.x,
    y: at.y,
    width: type === REROUTE ? undefined : DEFAULT_WIDTH,
    mode: 0,
    collapsed: false,
    values: {},
    inputs: [],
    outputs: [],
    rest: {},
  };
}

export function nextId(graph: Graph): NodeId {
  return String(graph.lastNode + 1);
}

export function addNode(doc: Doc, at: GraphId, type: string, point: Point): readonly [Doc, NodeId] {
  const graph = graphOf(doc, at);
  const id = nextId(graph);
  const node = newNode(type, id, point);
  const next = { ...graph, nodes: new Map(graph.nodes).set(id, node), lastNode: graph.lastNode + 1 };
  return [withGraph(doc, at, next), id];
}

export function editNode(doc: Doc, at: GraphId, id: NodeId, change: (node: GraphNode) => GraphNode): Doc {
  const graph = graphOf(doc, at);
  const node = graph.nodes.get(id);
  if (!node) return doc;
  const next = change(node);
  return next === node ? doc : withGraph(doc, at, { ...graph, nodes: new Map(graph.nodes).set(id, next) });
}

export function editNodes(doc: Doc, at: GraphId, ids: Iterable<NodeId>, change: (node: GraphNode) => GraphNode): Doc {
  const graph = graphOf(doc, at);
  const nodes = new Map(graph.nodes);
  let changed = false;
  for (const id of ids) {
    const node = nodes.get(id);
    const next = node && change(node);
    if (!next || next === node) continue;
    nodes.set(id, next);
    changed = true;
  }
  return changed ? withGraph(doc, at, { ...graph, nodes }) : doc;
}

export function moveNodes(doc: Doc, at: GraphId, places: ReadonlyMap<NodeId, Point>): Doc {
  return editNodes(doc, at, places.keys(), (node) => {
    const to = places.get(node.id) as Point;
    return to.x === node.x && to.y === node.y ? node : { ...node, x: to.x, y: to.y };
  });
}

/** Sets a widget; a value that lives in a node inside a subgraph is set there. */
export function setValue(doc: Doc, at: GraphId, id: NodeId, widget: string, value: Json): Doc {
  const node = graphOf(doc, at).nodes.get(id);
  const own = node?.values[widget] !== undefined && isShared(doc, node.type);
  const inside = node && !own ? placeInside(doc, node, widget) : undefined;
  if (node && inside) return setValue(doc, node.type, inside.node, inside.widget, value);
  const set = editNode(doc, at, id, (one) =>
    one.values[widget] === value ? one : { ...one, values: { ...one.values, [widget]: value } },
  );
  return at === ROOT ? set : yieldExposed(set, at, id, widget);
}

/** Sets a text; a node that showed all of it goes on showing all of it, one that scrolls goes on scrolling. */
export function writeText(doc: Doc, at: GraphId, id: NodeId, write: { widget: string; text: string }, all: Catalogue) {
  const next = setValue(doc, at, id, write.widget, write.text);
  if (croppedTo(doc, at, id, all) !== undefined) return next;
  const height = croppedTo(next, at, id, all);
  return height === undefined ? next : editNode(next, at, id, (node) => ({ ...node, height }));
}

function croppedTo(doc: Doc, at: GraphId, id: NodeId, catalogue: Catalogue): number | undefined {
  const around = surroundings(doc, at, catalogue);
  const node = around.graph.nodes.get(id);
  return node && cropped({ node, shape: shapeOf(node, around), linked: linkedNames(around.graph, id) });
}

/** The node inside an instance's subgraph that holds the value: what is exposed, and what follows a run of a seed. */
function placeInside(doc: Doc, instance: GraphNode, widget: string): ReturnType<typeof innerOf> {
  const definition = doc.subgraphs.get(instance.type);
  if (!definition) return undefined;
  const [, seed] = /^(.+):control$/.exec(widget) ?? [];
  const slot = definition.inputs.findIndex((one) => one.name === seed);
  const link = linksOutOf(definition.graph, GRAPH_INPUT).find((one) => one.slot === slot && one.to !== GRAPH_OUTPUT);
  return link ? { node: link.to, widget: `${link.input}:control` } : innerOf(widget);
}

export function resetValue(doc: Doc, at: GraphId, id: NodeId, widget: string): Doc {
  return editNode(doc, at, id, (node) => {
    if (!(widget in node.values)) return node;
    const { [widget]: _, ...values } = node.values;
    return { ...node, values };
  });
}

export function renameNode(doc: Doc, at: GraphId, id: NodeId, title: string): Doc {
  return editNode(doc, at, id, (node) => ({ ...node, title: title.trim() || undefined }));
}

export function toggleMode(doc: Doc, at: GraphId, ids: readonly NodeId[], mode: Mode): Doc {
  const graph = graphOf(doc, at);
  const all = ids.every((id) => graph.nodes.get(id)?.mode === mode);
  return editNodes(doc, at, ids, (node) => ({ ...node, mode: all ? 0 : mode }));
}

export function toggleCollapsed(doc: Doc, at: GraphId, ids: readonly NodeId[]): Doc {
  const graph = graphOf(doc, at);
  const all = ids.every((id) => graph.nodes.get(id)?.collapsed);
  return editNodes(doc, at, ids, (node) => ({ ...node, collapsed: !all }));
}

export function colourNodes(doc: Doc, at: GraphId, ids: readonly NodeId[], color: string | undefined): Doc {
  return editNodes(doc, at, ids, (node) => ({ ...node, color, bgcolor: color ? node.bgcolor : undefined }));
}

export function resizeNode(doc: Doc, at: GraphId, id: NodeId, width: number, height?: number): Doc {
  return editNode(doc, at, id, (node) => ({ ...node, width, height: height ?? node.height }));
}

/** Links an output to an input; what fed the input before is unlinked. */
export function connect(
  doc: Doc,
  at: GraphId,
  ends: {
    readonly from: NodeId;
    readonly slot: number;
    readonly to: NodeId;
    readonly input: string;
    readonly type: string;
  },
): Doc {
  const graph = graphOf(doc, at);
  const old = ends.to === GRAPH_OUTPUT ? outputLink(graph, ends.input) : linkInto(graph, ends.to, ends.input);
  if (old && old.from === ends.from && old.slot === ends.slot) return doc;
  // A subgraph may feed a node that feeds it. Where that node is taken out, nothing is left to lead past it.
  if (ends.from === ends.to) return doc;
  const links = new Map(graph.links);
  if (old) links.delete(old.id);
  const id = graph.lastLink + 1;
  const { from, slot, to, input, type } = ends;
  links.set(id, { id, from, slot, to, input, type, rest: {} });
  return withGraph(doc, at, { ...graph, links, lastLink: id });
}

function outputLink(graph: Graph, port: string): Link | undefined {
  return linksInto(graph, GRAPH_OUTPUT).find((link) => link.input === port);
}

export function disconnect(doc: Doc, at: GraphId, ids: Iterable<number>): Doc {
  const graph = graphOf(doc, at);
  const links = new Map(graph.links);
  for (const id of ids) links.delete(id);
  return links.size === graph.links.size ? doc : withGraph(doc, at, { ...graph, links });
}

/** Removes nodes; with `heal`, what fed each goes on to what it fed where the types fit. */
export function removeNodes(doc: Doc, at: GraphId, ids: readonly NodeId[], heal = false): Doc {
  const gone = new Set(ids);
  const healed = heal ? ids.reduce((next, id) => healAround(next, at, id), doc) : doc;
  const graph = graphOf(healed, at);
  const nodes = new Map([...graph.nodes].filter(([id]) => !gone.has(id)));
  if (nodes.size === graph.nodes.size) return doc;
  const links = new Map([...graph.links].filter(([, link]) => !gone.has(link.from) && !gone.has(link.to)));
  const next = withGraph(healed, at, { ...graph, nodes, links });
  const form = next.form.filter((pin) => at !== ROOT || !gone.has(pin.node.split(":")[0] as NodeId));
  return form.length === next.form.length ? next : { ...next, form };
}

/** Leads the links through a node past it: each output to what feeds the first input of its type. */
export function healAround(doc: Doc, at: GraphId, id: NodeId): Doc {
  const graph = graphOf(doc, at);
  return linksOutOf(graph, id).reduce((next, out) => {
    const source = linksInto(graph, id).find((link) => fits(link.type, out.type));
    if (!source) return next;
    return connect(next, at, { from: source.from, slot: source.slot, to: out.to, input: out.input, type: source.type });
  }, doc);
}

/** Takes nodes out of the flow but leaves them where they are. */
export function extractNodes(doc: Doc, at: GraphId, ids: readonly NodeId[]): Doc {
  const healed = ids.reduce((next, id) => healAround(next, at, id), doc);
  const graph = graphOf(healed, at);
  const touching = [...graph.links.values()].filter((link) => ids.includes(link.from) || ids.includes(link.to));
  return disconnect(
    healed,
    at,
    touching.map((link) => link.id),
  );
}

/** Puts a node into a link, if one of its inputs takes what flows there and one of its outputs gives it. */
export function insertOnLink(doc: Doc, at: GraphId, id: NodeId, link: number, catalogue: Catalogue): Doc {
  const around = surroundings(doc, at, catalogue);
  const sockets = insertSockets(around, id, link);
  const old = around.graph.links.get(link);
  if (!sockets || !old) return doc;
  const first = connect(doc, at, { from: old.from, slot: old.slot, to: id, input: sockets.input, type: old.type });
  return connect(first, at, { from: id, slot: sockets.output, to: old.to, input: old.input, type: sockets.type });
}

export function insertSockets(
  around: Surroundings,
  id: NodeId,
  link: number,
): { readonly input: string; readonly output: number; readonly type: string } | undefined {
  const old = around.graph.links.get(link);
  const node = around.graph.nodes.get(id);
  if (!old || !node || old.from === id || old.to === id) return undefined;
  const shape = shapeOf(node, around);
  const linked = new Set(linksInto(around.graph, id).map((one) => one.input));
  const input = shape.inputs.find((one) => !linked.has(one.name) && !one.widget && fits(old.type, one.type));
  const output = shape.outputs.findIndex((one) => fits(one.type, old.type));
  return input && output >= 0
    ? { input: input.name, output, type: shape.outputs[output]?.type ?? old.type }
    : undefined;
}

export function addReroute(doc: Doc, at: GraphId, link: number, point: Point): readonly [Doc, NodeId] {
  const old = graphOf(doc, at).links.get(link);
  const [added, id] = addNode(doc, at, REROUTE, point);
  if (!old) return [added, id];
  const first = connect(added, at, { from: old.from, slot: old.slot, to: id, input: "", type: old.type });
  return [connect(first, at, { from: id, slot: 0, to: old.to, input: old.input, type: old.type }), id];
}

export function addFrame(doc: Doc, at: GraphId, box: Box, title: string): readonly [Doc, number] {
  const graph = graphOf(doc, at);
  const id = Math.max(0, ...graph.frames.keys()) + 1;
  const frame: Frame = { id, title, ...box, color: "#3f789e", rest: { font_size: 24, flags: {} } };
  return [withGraph(doc, at, { ...graph, frames: new Map(graph.frames).set(id, frame) }), id];
}

export function editFrame(doc: Doc, at: GraphId, id: number, change: Partial<Omit<Frame, "id" | "rest">>): Doc {
  const graph = graphOf(doc, at);
  const frame = graph.frames.get(id);
  if (!frame) return doc;
  return withGraph(doc, at, { ...graph, frames: new Map(graph.frames).set(id, { ...frame, ...change }) });
}

export function removeFrame(doc: Doc, at: GraphId, id: number): Doc {
  const graph = graphOf(doc, at);
  const frames = new Map(graph.frames);
  return frames.delete(id) ? withGraph(doc, at, { ...graph, frames }) : doc;
}

export function boxOf(node: GraphNode, around: Surroundings): Box {
  const { width, height } = layoutNode({
    node,
    shape: shapeOf(node, around),
    linked: linkedNames(around.graph, node.id),
  });
  return { x: node.x, y: node.y - HEADER, width, height };
}

/** Where a subgraph's ends lie; nothing in a graph that is none. */
export function endBoxes({ doc }: Surroundings, at: GraphId): readonly Box[] {
  const definition = doc.subgraphs.get(at);
  if (!definition) return [];
  return [GRAPH_INPUT, GRAPH_OUTPUT].map((id) => {
    const { node, shape } = endOf(definition, id);
    const { width, height } = layoutNode({ node, shape, linked: new Set() });
    return { x: node.x, y: node.y - HEADER, width, height };
  });
}

export function linkedNames(graph: Graph, id: NodeId): ReadonlySet<string> {
  return new Set(linksInto(graph, id).map((link) => link.input));
}

export function bounds(boxes: readonly Box[]): Box | undefined {
  if (!boxes.length) return undefined;
  const x = Math.min(...boxes.map((one) => one.x));
  const y = Math.min(...boxes.map((one) => one.y));
  const right = Math.max(...boxes.map((one) => one.x + one.width));
  const bottom = Math.max(...boxes.map((one) => one.y + one.height));
  return { x, y, width: right - x, height: bottom - y };
}

/** The nodes whose middle lies in the frame: they go where it goes. */
export function nodesIn(frame: Box, around: Surroundings): readonly NodeId[] {
  return [...around.graph.nodes.values()]
    .filter((node) => {
      const box = boxOf(node, around);
      const x = box.x + box.width / 2;
      const y = box.y + box.height / 2;
      return x >= frame.x && y >= frame.y && x <= frame.x + frame.width && y <= frame.y + frame.height;
    })
    .map((node) => node.id);
}
