import type { ReactFlowInstance } from "@xyflow/react";
import type { NodeId } from "../model/document";
import type { Box, Point } from "../model/edits";
import { bounds, boxOf } from "../model/edits";
import { frameBox, hiddenIn, uncover } from "../model/frames";
import { activeTab, currentGraph, docOf, edit, enterView, locate } from "./docs";
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

const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
export const motion = (ms = 200) => (calm() ? 0 : ms);

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

export function fitView(only?: Iterable<NodeId>): void {
  const around = currentGraph();
  const ids = only ? [...only] : [];
  const hidden = hiddenIn(around.graph);
  const nodes = [...around.graph.nodes.values()].filter((node) =>
    ids.length ? ids.includes(node.id) : !hidden.nodes.has(node.id),
  );
  const frames = ids.length ? [] : [...around.graph.frames.values()].filter((one) => !hidden.frames.has(one.id));
  const box = bounds([...nodes.map((node) => boxOf(node, around)), ...frames.map(frameBox)]);
  if (box) showBox(box);
}

export function showBox(box: Box): void {
  void flow?.fitBounds(box, { padding: 0.12, duration: motion() });
  if (flow && flow.getZoom() > 1) void flow.zoomTo(1, { duration: motion() });
}

/** Shows a node of the prompt ("57:28"), going into its subgraph where it is in one. */
export function goToNode(path: string): void {
  const found = locate(docOf(activeTab()), path);
  if (!found) return;
  enterView(path.split(":").slice(0, -1));
  if (hiddenIn(currentGraph().graph).nodes.has(found.id)) edit("unfold frame", (doc, at) => uncover(doc, at, found.id));
  select([found.id]);
  requestAnimationFrame(() => {
    const around = currentGraph();
    const node = around.graph.nodes.get(found.id);
    if (!node) return;
    const box = boxOf(node, around);
    const zoom = Math.max(0.7, Math.min(1, flow?.getZoom() ?? 1));
    void flow?.setCenter(box.x + box.width / 2, box.y + box.height / 2, { zoom, duration: motion() });
    document
      .querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(found.id)}"]`)
      ?.focus({ preventScroll: true });
  });
}

export function openSearch(): void {
  useUi.setState({ search: placeHere() });
}
