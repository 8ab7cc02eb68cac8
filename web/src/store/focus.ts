import type { ReactFlowInstance } from "@xyflow/react";
import { flushSync } from "react-dom";
import { type NodeId, runOrder } from "../model/document";
import type { Box, Point } from "../model/edits";
import { bounds, boxOf, endBoxes } from "../model/edits";
import { frameBox, hiddenIn, uncover } from "../model/frames";
import { firstView, type Size, viewOf } from "../model/view";
import { activeTab, currentGraph, docOf, edit, enterView, locate } from "./docs";
import { runOf, useExec } from "./exec";
import { select, useUi } from "./ui";

/* What moves the view. The canvas hands its instance over when it is ready, and takes it back when it goes. */

let flow: ReactFlowInstance | undefined;
let pointer: Point = { x: 0, y: 0 };

export function holdFlow(instance: ReactFlowInstance | undefined): void {
  flow = instance;
}

export const theFlow = () => flow;

export function notePointer(at: Point): void {
  pointer = at;
}

export const pointerAt = () => pointer;

type ViewMove = Parameters<ReactFlowInstance["setViewport"]>[1];

const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
export const motion = (ms = 200) => (calm() ? 0 : ms);
/** How the view moves: fast at first, and gently to its end. */
export const moving = (ms = 200): ViewMove => ({ duration: motion(ms), ease: (t: number) => 1 - (1 - t) ** 3 });

export function placeAt(screen: Point): Point {
  return flow?.screenToFlowPosition(screen) ?? screen;
}

/** Where to put what was asked for by key: under the pointer if it is over the canvas, else in the middle. */
export function placeHere(): { readonly screen: Point; readonly place: Point } {
  const canvas = document.querySelector(".canvas")?.getBoundingClientRect();
  const over = document.elementFromPoint(pointer.x, pointer.y)?.closest(".canvas");
  const screen = over || !canvas ? pointer : { x: canvas.x + canvas.width / 2, y: canvas.y + canvas.height / 3 };
  return { screen, place: placeAt(screen) };
}

/** What is opened is in view from the beginning: what is measured or pressed at once is where it stays. */
const AT_ONCE = { duration: 0 };

export function fitView(only?: Iterable<NodeId>, how: ViewMove = moving()): void {
  const around = currentGraph();
  const ids = only ? [...only] : [];
  const hidden = hiddenIn(around.graph);
  const nodes = [...around.graph.nodes.values()].filter((node) =>
    ids.length ? ids.includes(node.id) : !hidden.nodes.has(node.id),
  );
  const frames = ids.length ? [] : [...around.graph.frames.values()].filter((one) => !hidden.frames.has(one.id));
  const ends = ids.length ? [] : endBoxes(around, around.at);
  const box = bounds([...nodes.map((node) => boxOf(node, around)), ...frames.map(frameBox), ...ends]);
  if (box) showBox(box, how);
}

function showBox(box: Box, how: ViewMove): void {
  void flow?.setViewport(viewOf(box, roomOf()), how);
}

function roomOf(): Size {
  const { width = 0, height = 0 } = document.querySelector(".canvas")?.getBoundingClientRect() ?? {};
  return { width: Math.max(1, width), height: Math.max(1, height) };
}

/** On a narrow screen, below this zoom nothing could be read or touched. */
const LEGIBLE = 0.6;
const NARROW = 700;

/** Shows a graph that is opened: all of it, or on a narrow screen the nodes that run now or run first. */
export function showFirst(): void {
  const room = roomOf();
  if (room.width > NARROW) {
    fitView([], AT_ONCE);
    return;
  }
  const around = currentGraph();
  const tab = activeTab();
  const { nodes: states } = runOf(useExec.getState(), tab.id);
  const hidden = hiddenIn(around.graph).nodes;
  const order = runOrder(around.graph).filter((id) => !hidden.has(id));
  const running = order.findIndex((id) => states[[...tab.view, id].join(":")]?.state === "running");
  const boxes = order.slice(Math.max(0, running)).flatMap((id) => {
    const node = around.graph.nodes.get(id);
    return node ? [boxOf(node, around)] : [];
  });
  const view = firstView(boxes, room, LEGIBLE);
  if (view) void flow?.setViewport(view, AT_ONCE);
}

/** Moves the view so that the node is in the upper part of the screen, above what is opened at the bottom. */
export function showAbove(id: NodeId): void {
  const around = currentGraph();
  const node = around.graph.nodes.get(id);
  if (!node || !flow) return;
  const box = boxOf(node, around);
  const room = roomOf();
  const upper = { width: room.width, height: room.height * 0.35 };
  const whole = viewOf(box, upper);
  const zoom = Math.max(flow.getZoom(), LEGIBLE);
  const x = room.width / 2 - (box.x + box.width / 2) * zoom;
  // A node that is taller than the room shows its beginning.
  const y = whole.zoom >= zoom ? upper.height / 2 - (box.y + box.height / 2) * zoom : 16 - box.y * zoom;
  void flow.setViewport({ x, y, zoom }, moving());
}

/** Shows a node of the prompt ("57:28"), going into its subgraph where it is in one. */
export function goToNode(path: string): void {
  const found = locate(docOf(activeTab()), path);
  if (!found) return;
  // At once: the next key that is pressed is meant for this node.
  flushSync(() => {
    enterView(path.split(":").slice(0, -1));
    if (hiddenIn(currentGraph().graph).nodes.has(found.id))
      edit("unfold frame", (doc, at) => uncover(doc, at, found.id));
    select([found.id]);
  });
  const around = currentGraph();
  const node = around.graph.nodes.get(found.id);
  if (!node) return;
  const box = boxOf(node, around);
  const zoom = Math.max(0.7, Math.min(1, flow?.getZoom() ?? 1));
  void flow?.setCenter(box.x + box.width / 2, box.y + box.height / 2, { zoom, ...moving() });
  if (focusNode(found.id)) return;
  // It is drawn once it is in view; by then the person may be elsewhere.
  const before = document.activeElement;
  requestAnimationFrame(() => {
    if (document.activeElement === before) focusNode(found.id);
  });
}

function focusNode(id: NodeId): boolean {
  const card = document.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(id)}"]`);
  card?.focus({ preventScroll: true });
  return card !== null;
}

export function openSearch(): void {
  useUi.setState({ search: placeHere() });
}
