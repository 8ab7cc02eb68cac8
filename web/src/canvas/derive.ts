import type { Edge, Node as FlowNode } from "@xyflow/react";
import { Position } from "@xyflow/react";
import {
  type Frame,
  GRAPH_INPUT,
  GRAPH_OUTPUT,
  type Graph,
  type GraphId,
  type GraphNode,
  type Link,
  type NodeId,
} from "../model/document";
import type { Point } from "../model/edits";
import { fedNames } from "../model/everywhere";
import { FOLDED_HEIGHT, frameBox, type Hidden, hiddenIn } from "../model/frames";
import { writeJson } from "../model/json";
import { HEADER, layoutNode, type NodeLayout, uploadName } from "../model/layout";
import { type Dot, dotsOf, dotsOn } from "../model/reroutes";
import { type NodeShape, placedNode, type Surroundings, shapeOf } from "../model/shape";
import { warningsOf } from "../model/warnings";
import { hasPreview, type TabRun } from "../store/exec";

export interface CardData extends Record<string, unknown> {
  readonly node: GraphNode;
  readonly shape: NodeShape;
  readonly layout: NodeLayout;
  readonly linked: ReadonlySet<string>;
  /** The node's id in the prompt, subgraphs included. */
  readonly path: string;
  readonly unfolded: boolean;
  readonly warnings: readonly string[];
  /** What a screen reader calls it. */
  readonly label: string;
}

export interface FrameData extends Record<string, unknown> {
  readonly frame: Frame;
  /** The sides at which links end at it while it is folded, in the colours of their types. */
  readonly ends: FrameEnds;
}

export interface FrameEnds {
  readonly in?: string;
  readonly out?: string;
}

export type CardNode = FlowNode<CardData, "card">;
export type FrameNode = FlowNode<FrameData, "frame">;
export interface DotData extends Record<string, unknown> {
  readonly type: string;
}
export type DotNode = FlowNode<DotData, "dot">;
export type AnyNode = CardNode | FrameNode | DotNode;
export interface LinkData extends Record<string, unknown> {
  readonly link: Link;
  readonly off: boolean;
  readonly bypassed: boolean;
  readonly title: string;
  /** The points that the link is led through. */
  readonly via: readonly Point[];
}
export type LinkEdge = Edge<LinkData, "link">;

export interface DeriveInput {
  readonly around: Surroundings;
  readonly at: GraphId;
  readonly prefix: string;
  readonly selection: ReadonlySet<NodeId>;
  readonly frames: ReadonlySet<number>;
  readonly unfolded: ReadonlySet<NodeId>;
  readonly run: TabRun;
}

interface Kept {
  readonly key: string;
  readonly node: GraphNode;
  readonly shape: NodeShape;
  readonly made: CardNode;
}

/** Tab stops once at the canvas; arrows go on from there. */
const NO_STOP = { tabIndex: -1 } as const;

export const frameId = (id: number) => `frame:${id}`;
export const isFrameId = (id: string) => id.startsWith("frame:");
export const frameNumber = (id: string) => Number(id.slice("frame:".length));
export const dotId = (id: number) => `dot:${id}`;
/** The number of the point that a node of the canvas stands for, or nothing where it stands for something else. */
export const dotNumber = (id: string) => (id.startsWith("dot:") ? Number(id.slice("dot:".length)) : undefined);

/** The nodes that are elsewhere than before, or nothing where something else of the graph is new too. */
export function movedOnly(before: Surroundings, now: Surroundings): readonly GraphNode[] | undefined {
  const same =
    before.catalogue === now.catalogue &&
    before.doc.subgraphs === now.doc.subgraphs &&
    before.doc.extra === now.doc.extra &&
    before.graph.links === now.graph.links &&
    sameHidden(hiddenIn(before.graph), hiddenIn(now.graph)) &&
    before.graph.nodes.size === now.graph.nodes.size;
  if (!same) return undefined;
  const moved: GraphNode[] = [];
  for (const node of now.graph.nodes.values()) {
    const old = before.graph.nodes.get(node.id);
    if (old === node) continue;
    if (!old || !differsInPlace(old, node)) return undefined;
    moved.push(node);
  }
  return moved;
}

function sameHidden(a: Hidden, b: Hidden): boolean {
  if (a === b) return true;
  if (a.nodes.size !== b.nodes.size || a.frames.size !== b.frames.size) return false;
  return [...a.nodes].every(([id, frame]) => b.nodes.get(id) === frame);
}

function differsInPlace(old: GraphNode, now: GraphNode): boolean {
  const keys = Object.keys(now) as (keyof GraphNode)[];
  return keys.every((key) => key === "x" || key === "y" || old[key] === now[key]);
}

/** What is moved, where the rest of what the cards are made from is as it was: while one drags, or selects. */
function movedSince(before: DeriveInput | undefined, now: DeriveInput): readonly GraphNode[] | undefined {
  const same =
    before &&
    before.at === now.at &&
    before.prefix === now.prefix &&
    before.unfolded === now.unfolded &&
    before.run === now.run;
  return same ? movedOnly(before.around, now.around) : undefined;
}

const placeOf = (node: GraphNode) => ({ x: node.x, y: node.y - HEADER });

function atPlace(old: Kept, node: GraphNode): Kept {
  return { ...old, node, made: { ...old.made, position: placeOf(node), data: { ...old.made.data, node } } };
}

function asSelected(one: Kept, selected: boolean): Kept {
  if (one.made.selected === selected) return one;
  return { ...one, made: { ...one.made, selected, zIndex: selected ? Z_SELECTED : 0 } };
}

/** Gives the canvas its nodes; one that did not change is the same object as before, so that it is not drawn again. */
export function makeDeriver(): (input: DeriveInput) => AnyNode[] {
  let before: DeriveInput | undefined;
  let kept = new Map<NodeId, Kept>();
  const deriveFrames = makeFrameDeriver();
  const deriveDots = makeDotDeriver();
  return (input) => {
    const moved = movedSince(before, input);
    before = input;
    const next = moved ? new Map(kept) : makeCards(input, kept);
    for (const node of moved ?? []) {
      const old = next.get(node.id);
      if (old) next.set(node.id, atPlace(old, node));
    }
    for (const [id, one] of next) next.set(id, asSelected(one, input.selection.has(id)));
    kept = next;
    const dots = deriveDots(input);
    return [...deriveFrames(input), ...[...next.values()].map((one) => one.made), ...dots];
  };
}

function makeFrameDeriver(): (input: DeriveInput) => readonly FrameNode[] {
  let kept = new Map<number, { key: string; frame: Frame; made: FrameNode }>();
  return ({ around: { graph }, frames: selection }) => {
    if (!graph.frames.size) return [];
    const next: typeof kept = new Map();
    const ends = endsOfFolded(graph);
    for (const frame of graph.frames.values()) {
      if (hiddenIn(graph).frames.has(frame.id)) continue;
      const selected = selection.has(frame.id);
      const at = ends.get(frame.id) ?? {};
      const key = `${selected} ${at.in} ${at.out}`;
      const old = kept.get(frame.id);
      const same = old && old.frame === frame && old.key === key;
      next.set(frame.id, same ? old : { key, frame, made: makeFrame(frame, selected, at) });
    }
    kept = next;
    return [...next.values()].map((one) => one.made);
  };
}

/** What is linked to each folded frame from outside: the type where it is one, else any. */
function endsOfFolded(graph: Graph): ReadonlyMap<number, FrameEnds> {
  const ends = new Map<number, FrameEnds>();
  const { nodes } = hiddenIn(graph);
  if (!nodes.size) return ends;
  const note = (frame: number | undefined, side: "in" | "out", type: string) => {
    if (frame === undefined) return;
    const known = ends.get(frame) ?? {};
    ends.set(frame, { ...known, [side]: known[side] === undefined || known[side] === type ? type : "*" });
  };
  for (const link of graph.links.values()) {
    const [from, to] = [nodes.get(link.from), nodes.get(link.to)];
    if (from === to) continue;
    note(from, "out", link.type);
    note(to, "in", link.type);
  }
  return ends;
}

function makeCards(input: DeriveInput, kept: ReadonlyMap<NodeId, Kept>): Map<NodeId, Kept> {
  const next = new Map<NodeId, Kept>();
  for (const { node, shape } of placedNodes(input)) {
    const facts = factsOf(input, node, shape);
    const old = kept.get(node.id);
    const same = old && old.key === facts.key && old.node === node && old.shape === shape;
    next.set(
      node.id,
      same ? old : { key: facts.key, node, shape, made: makeCard(input, node, shape, facts, old?.made) },
    );
  }
  return next;
}

function makeDotDeriver(): (input: DeriveInput) => readonly DotNode[] {
  let kept = new Map<number, { key: string; made: DotNode }>();
  return ({ around, at, selection }) => {
    const all = dotsOf(around.doc, at);
    if (!all.size) return [];
    const types = new Map<number, string>();
    const hidden = hiddenIn(around.graph).nodes;
    for (const link of around.graph.links.values())
      if (!hidden.has(link.from) || !hidden.has(link.to))
        for (const dot of dotsOn(around.doc, at, link)) types.set(dot.id, link.type);
    const next = new Map<number, { key: string; made: DotNode }>();
    for (const [id, type] of types) {
      const dot = all.get(id) as Dot;
      const selected = selection.has(dotId(id));
      const key = `${dot.x} ${dot.y} ${type} ${selected}`;
      const old = kept.get(id);
      next.set(id, old?.key === key ? old : { key, made: makeDot(dot, type, selected) });
    }
    kept = next;
    return [...next.values()].map((one) => one.made);
  };
}

export const DOT = 16;

function makeDot(dot: Dot, type: string, selected: boolean): DotNode {
  return {
    id: dotId(dot.id),
    type: "dot",
    position: { x: dot.x - DOT / 2, y: dot.y - DOT / 2 },
    width: DOT,
    height: DOT,
    measured: { width: DOT, height: DOT },
    handles: [],
    selected,
    zIndex: 1,
    data: { type },
    ariaLabel: `Reroute point, ${type}`,
    domAttributes: NO_STOP,
  };
}

function placedNodes({ around, at }: DeriveInput) {
  const hidden = hiddenIn(around.graph).nodes;
  const shown = [...around.graph.nodes.values()].filter((node) => !hidden.has(node.id));
  const own = shown.map((node) => ({ node, shape: shapeOf(node, around) }));
  const ends = [GRAPH_INPUT, GRAPH_OUTPUT]
    .flatMap((id) => placedNode(around, at, id) ?? [])
    .filter(({ node }) => !around.graph.nodes.has(node.id));
  return [...own, ...ends];
}

interface Facts {
  readonly key: string;
  readonly linked: ReadonlySet<string>;
  readonly aspect?: number;
  readonly message: boolean;
  readonly unfolded: boolean;
  readonly path: string;
  readonly warnings: readonly string[];
}

function factsOf(input: DeriveInput, node: GraphNode, shape: NodeShape): Facts {
  const path = input.prefix + node.id;
  const names = fedNames(input.around.graph, node.id);
  const aspect = aspectOf(input.run, path, node, shape);
  const message = input.run.nodes[path]?.message !== undefined;
  const unfolded = input.unfolded.has(node.id);
  const state = input.run.nodes[path]?.state;
  const linked = new Set(names);
  const warnings = warningsOf(node, shape, linked, input.around.catalogue);
  const shown = [path, names.join("\n"), aspect?.toFixed(2), message, state, unfolded, warnings, shapeKey(shape)];
  return { key: shown.join("|"), linked, aspect, message, unfolded, path, warnings };
}

/** Shapes that are made anew each time (reroutes, primitives, subgraphs) are compared by what shows. */
function shapeKey(shape: NodeShape): string {
  return shape.kind === "schema" ? "" : writeJson([shape.title, shape.inputs, shape.outputs, shape.widgets]);
}

function aspectOf(run: TabRun, path: string, node: GraphNode, shape: NodeShape): number | undefined {
  const shows = run.images[path]?.length || hasPreview(run, path) || run.texts[path] || uploadName(node, shape);
  return shows ? (run.aspects[path] ?? 1) : undefined;
}

const Z_SELECTED = 1000;

function makeCard(input: DeriveInput, node: GraphNode, shape: NodeShape, facts: Facts, old?: CardNode): CardNode {
  const layout = layoutNode({
    node,
    shape,
    linked: facts.linked,
    aspect: facts.aspect,
    message: facts.message,
    unfolded: facts.unfolded,
  });
  const label = ariaLabel(input, node, shape, facts);
  const sameSize = old && old.width === layout.width && old.height === layout.height;
  return {
    id: node.id,
    type: "card",
    position: placeOf(node),
    width: layout.width,
    height: layout.height,
    measured: sameSize ? old.measured : { width: layout.width, height: layout.height },
    selected: false,
    zIndex: 0,
    dragHandle: ".grip",
    data: {
      node,
      shape,
      layout,
      linked: facts.linked,
      path: facts.path,
      unfolded: facts.unfolded,
      warnings: facts.warnings,
      label,
    },
    ariaLabel: label,
    domAttributes: NO_STOP,
    handles: layout.handles.map((handle) => ({
      id: handle.id,
      type: handle.side === "in" ? "target" : "source",
      position: handle.side === "in" ? Position.Left : Position.Right,
      x: handle.x,
      y: handle.y,
      width: 0.01,
      height: 0.01,
    })),
  };
}

function ariaLabel(input: DeriveInput, node: GraphNode, shape: NodeShape, facts: Facts): string {
  const run = input.run.nodes[facts.path];
  // Inputs that are shown as widgets are none to link until they are.
  const inputs = shape.inputs.filter((one) => !one.widget || facts.linked.has(one.name)).length;
  const said = [node.title || shape.title, inputs === 1 ? "1 input" : `${inputs} inputs`];
  if (inputs) said.push(`${facts.linked.size} connected`);
  if (node.mode === 4) said.push("bypassed");
  if (node.mode === 2) said.push("muted");
  if (facts.warnings.length) said.push("warning");
  if (run) said.push(run.state);
  return said.join(", ");
}

/** Where links end at a folded frame. */
export const FOLDED_IN = "folded-in";
export const FOLDED_OUT = "folded-out";

/** What is inside a frame is the canvas: only its title is taken hold of. */
const PASSED = { pointerEvents: "none" } as const;

function makeFrame(frame: Frame, selected: boolean, ends: FrameEnds): FrameNode {
  const { x, y, width, height } = frameBox(frame);
  const handle = { y: FOLDED_HEIGHT / 2, width: 0.01, height: 0.01 };
  return {
    id: frameId(frame.id),
    type: "frame",
    position: { x, y },
    width,
    height,
    measured: { width, height },
    handles: [
      ...(ends.in ? [{ id: FOLDED_IN, type: "target", position: Position.Left, x: 0, ...handle } as const] : []),
      ...(ends.out ? [{ id: FOLDED_OUT, type: "source", position: Position.Right, x: width, ...handle } as const] : []),
    ],
    selected,
    zIndex: frame.folded ? 0 : -10,
    style: PASSED,
    dragHandle: ".frame-title",
    data: { frame, ends },
    ariaLabel: `Frame ${frame.title}`,
    domAttributes: NO_STOP,
  };
}
