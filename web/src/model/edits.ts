import { type Clip, paste, uses, withoutDots } from "./clip";
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
  type Port,
  type Subgraph,
  withGraph,
  withSubgraph,
} from "./document";
import { innerOf } from "./exposed";
import { addInteger, clampInteger, numeric } from "./integer";
import type { Json } from "./json";
import { DEFAULT_WIDTH, HEADER, layoutNode } from "./layout";
import type { Catalogue } from "./schema";
import { controlOf, type Surroundings, shapeOf } from "./shape";
import { fits } from "./types";
import { isNote, PRIMITIVE, REROUTE } from "./virtual";

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
  const inside = node && node.values[widget] === undefined ? placeInside(doc, node, widget) : undefined;
  if (node && inside) return setValue(doc, node.type, inside.node, inside.widget, value);
  return editNode(doc, at, id, (one) =>
    one.values[widget] === value ? one : { ...one, values: { ...one.values, [widget]: value } },
  );
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
  const links = new Map(graph.links);
  if (old) links.delete(old.id);
  const id = graph.lastLink + 1;
  links.set(id, { id, ...ends, rest: {} });
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
  const form = next.form.filter((pin) => !gone.has(pin.node) || at !== "root");
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

/** Makes the nodes the inside of a new subgraph, with a socket for each link that crosses its border. */
export function wrapInSubgraph(
  doc: Doc,
  at: GraphId,
  ids: ReadonlySet<NodeId>,
  given: { readonly id: GraphId; readonly name: string; readonly catalogue: Catalogue; readonly portId: () => string },
): readonly [Doc, NodeId | undefined] {
  const around = surroundings(doc, at, given.catalogue);
  const { graph } = around;
  const inside = [...graph.nodes.values()].filter((node) => ids.has(node.id));
  const box = bounds(inside.map((node) => boxOf(node, around)));
  if (!box) return [doc, undefined];
  const all = [...graph.links.values()];
  const incoming = all.filter((link) => ids.has(link.to) && !ids.has(link.from));
  const outgoing = all.filter((link) => ids.has(link.from) && !ids.has(link.to));
  const sources = distinct(incoming, (link) => `${link.from} ${link.slot}`);
  const drains = distinct(outgoing, (link) => `${link.from} ${link.slot}`);
  const taken = new Set<string>();
  const inputs = sources.map((link) =>
    port(unused(link.input || link.type.toLowerCase(), taken), link.type, given.portId()),
  );
  const outs = new Set<string>();
  const outputs = drains.map((link) => port(unused(link.type, outs), link.type, given.portId()));
  let lastLink = graph.lastLink;
  const links = new Map(
    all.filter((link) => ids.has(link.from) && ids.has(link.to)).map((link) => [link.id, withoutDots(link)]),
  );
  const put = (link: Omit<Link, "id" | "rest">) => links.set(++lastLink, { ...link, id: lastLink, rest: {} });
  for (const link of incoming) {
    const slot = sources.findIndex((one) => one.from === link.from && one.slot === link.slot);
    put({ from: GRAPH_INPUT, slot, to: link.to, input: link.input, type: link.type });
  }
  for (const [i, link] of drains.entries())
    put({ from: link.from, slot: link.slot, to: GRAPH_OUTPUT, input: (outputs[i] as Port).id, type: link.type });
  const definition: Subgraph = {
    id: given.id,
    name: given.name,
    inputs,
    outputs,
    graph: {
      nodes: new Map(inside.map((node) => [node.id, node])),
      links,
      frames: new Map(),
      lastNode: graph.lastNode,
      lastLink,
    },
    inputNode: { bounding: [box.x - 220, box.y, 120, 40 + 20 * inputs.length] },
    outputNode: { bounding: [box.x + box.width + 100, box.y, 120, 40 + 20 * outputs.length] },
    rest: { revision: 0, config: {}, widgets: [], extra: {} },
  };
  const id = nextId(graph);
  const node = newNode(given.id, id, { x: Math.round(box.x), y: Math.round(box.y + HEADER) });
  const nodes = new Map([...graph.nodes].filter(([one]) => !ids.has(one))).set(id, node);
  const kept = new Map(all.filter((link) => !ids.has(link.from) && !ids.has(link.to)).map((link) => [link.id, link]));
  const outer: Graph = { ...graph, nodes, links: kept, lastNode: graph.lastNode + 1, lastLink };
  let next = withGraph(withSubgraph(doc, definition), at, outer);
  sources.forEach((link, i) => {
    next = connect(next, at, {
      from: link.from,
      slot: link.slot,
      to: id,
      input: (inputs[i] as Port).name,
      type: link.type,
    });
  });
  for (const link of outgoing) {
    const slot = drains.findIndex((one) => one.from === link.from && one.slot === link.slot);
    next = connect(next, at, { from: id, slot, to: link.to, input: link.input, type: link.type });
  }
  return [next, id];
}

/** Puts a subgraph's nodes back in its place. */
export function unwrapSubgraph(
  doc: Doc,
  at: GraphId,
  id: NodeId,
  catalogue: Catalogue,
): readonly [Doc, readonly NodeId[]] {
  const around = surroundings(doc, at, catalogue);
  const node = around.graph.nodes.get(id);
  const definition = node && doc.subgraphs.get(node.type);
  if (!node || !definition) return [doc, []];
  const inner = definition.graph;
  const inside = [...inner.nodes.values()];
  const box = bounds(inside.map((one) => boxOf(one, { ...around, graph: inner })));
  const shift = { x: node.x - (box?.x ?? 0), y: node.y - HEADER - (box?.y ?? 0) };
  const own = inside.map((one) => withInstanceValues(one, node, definition));
  const clip: Clip = { nodes: own, links: [...inner.links.values()], frames: [], subgraphs: [] };
  const [pasted, { nodes: ids }] = paste(doc, at, clip, shift);
  const renamed = new Map(inside.map((one, i) => [one.id, ids[i] as NodeId]));
  let next = pasted;
  for (const link of inner.links.values()) {
    if (link.from === GRAPH_INPUT && renamed.has(link.to)) {
      const name = definition.inputs[link.slot]?.name ?? "";
      const outside = linkInto(around.graph, id, name);
      const to = renamed.get(link.to) as NodeId;
      if (outside)
        next = connect(next, at, { from: outside.from, slot: outside.slot, to, input: link.input, type: outside.type });
    }
    if (link.to === GRAPH_OUTPUT && renamed.has(link.from)) {
      const slot = definition.outputs.findIndex((one) => one.id === link.input);
      for (const out of linksOutOf(around.graph, id).filter((one) => one.slot === slot))
        next = connect(next, at, {
          from: renamed.get(link.from) as NodeId,
          slot: link.slot,
          to: out.to,
          input: out.input,
          type: out.type,
        });
    }
  }
  return [dropUnused(removeNodes(next, at, [id])), ids];
}

function withInstanceValues(inner: GraphNode, node: GraphNode, definition: Subgraph): GraphNode {
  const values = { ...inner.values };
  for (const link of linksInto(definition.graph, inner.id)) {
    const name = link.from === GRAPH_INPUT ? definition.inputs[link.slot]?.name : undefined;
    const value = name === undefined ? undefined : node.values[name];
    if (value !== undefined) values[link.input] = value;
  }
  return { ...inner, values };
}

/** Definitions that no node uses any more are left out. */
export function dropUnused(doc: Doc): Doc {
  const used = [...doc.subgraphs.values()].filter((one) =>
    [...doc.root.nodes.values()].some((node) => uses(doc, node.type, one.id)),
  );
  return used.length === doc.subgraphs.size ? doc : { ...doc, subgraphs: new Map(used.map((one) => [one.id, one])) };
}

function port(name: string, type: string, id: string): Port {
  return { id, name, type, rest: {} };
}

function unused(name: string, taken: Set<string>): string {
  let free = name;
  for (let i = 1; taken.has(free); i++) free = `${name}_${i}`;
  taken.add(free);
  return free;
}

function distinct<T>(list: readonly T[], key: (one: T) => string): readonly T[] {
  return [...new Map(list.map((one) => [key(one), one] as const)).values()];
}

export function togglePin(doc: Doc, node: string, widget: string): Doc {
  const form = doc.form.filter((pin) => !(pin.node === node && pin.widget === widget));
  return { ...doc, form: form.length === doc.form.length ? [...form, { node, widget }] : form };
}

export function movePin(doc: Doc, from: number, to: number): Doc {
  const form = [...doc.form];
  const [pin] = form.splice(from, 1);
  if (!pin || to < 0 || to > form.length) return doc;
  form.splice(to, 0, pin);
  return { ...doc, form };
}

/** Names a pinned widget; with nothing, it is called what the widget is called. */
export function labelPin(doc: Doc, node: string, widget: string, label: string): Doc {
  const form = doc.form.map((pin) => {
    if (pin.node !== node || pin.widget !== widget) return pin;
    return label.trim() ? { node, widget, label: label.trim() } : { node, widget };
  });
  return { ...doc, form };
}

const SEED_TOP = 2 ** 50;

/** The document after a run was sent: every seed does what it was told to do next. */
export function afterRun(doc: Doc, catalogue: Catalogue, random: () => number): Doc {
  let next = doc;
  for (const at of ["root", ...doc.subgraphs.keys()]) {
    const around = surroundings(doc, at, catalogue);
    for (const node of around.graph.nodes.values()) {
      if (node.mode !== 0 || isNote(node.type)) continue;
      for (const widget of shapeOf(node, around).widgets) {
        const todo = controlOf(node, widget);
        if (!widget.control || widget.inner || todo === "fixed") continue;
        if (node.type !== PRIMITIVE && linkInto(around.graph, node.id, widget.name)) continue;
        const value = stepped(node.values[widget.name] ?? widget.default, todo, widget, random);
        next = setValue(next, at, node.id, widget.name, value);
      }
    }
  }
  return next;
}

/** A random value for a seed: never so large that other programs lose its digits. */
export function randomSeed({ min = 0, max = SEED_TOP }: Bounds, random: () => number): number {
  const low = Math.max(min, -SEED_TOP);
  return low + Math.floor(random() * (Math.min(max, SEED_TOP) - low + 1));
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

function stepped(
  value: Json,
  todo: string,
  widget: { readonly kind: string; readonly options: readonly Json[]; readonly min?: number; readonly max?: number },
  random: () => number,
): Json {
  if (widget.kind === "choice") {
    const count = widget.options.length;
    const at = Math.max(0, widget.options.indexOf(value));
    if (!count) return value;
    if (todo === "randomize") return widget.options[Math.floor(random() * count)] ?? value;
    return widget.options[Math.min(count - 1, Math.max(0, at + (todo === "increment" ? 1 : -1)))] ?? value;
  }
  if (todo === "randomize") return randomSeed(widget, random);
  return clampInteger(addInteger(numeric(value), todo === "increment" ? 1 : -1), widget.min ?? 0, widget.max);
}
