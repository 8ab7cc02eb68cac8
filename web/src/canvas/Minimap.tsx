import { useStore } from "@xyflow/react";
import { memo, useEffect, useMemo, useRef } from "react";
import { type Box, bounds } from "../model/edits";
import { useExec } from "../store/exec";
import { theFlow } from "../store/focus";
import { useUi } from "../store/ui";
import { categoryColour } from "./category";
import type { AnyNode } from "./derive";

const WIDTH = 200;
const HEIGHT = 140;
const MARGIN = 10;

/** The whole graph in small, drawn on one canvas; press or drag to go there. */
export const Minimap = memo(function Minimap({ nodes, tab }: { nodes: readonly AnyNode[]; tab: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [x, y, zoom] = useStore((state) => state.transform);
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  useUi((state) => state.theme); // drawn again in the other theme's colours
  const running = useExec((state) => {
    const states = state.runs[tab]?.nodes ?? {};
    return Object.keys(states).find((id) => states[id]?.state === "running");
  });
  const view: Box = { x: -x / zoom, y: -y / zoom, width: width / zoom, height: height / zoom };
  const content = useMemo(() => bounds(nodes.map(boxOfNode)), [nodes]);
  const all = bounds(content ? [content, view] : [view]) as Box;
  const scale = Math.min((WIDTH - 2 * MARGIN) / all.width, (HEIGHT - 2 * MARGIN) / all.height);
  const left = (WIDTH - all.width * scale) / 2 - all.x * scale;
  const top = (HEIGHT - all.height * scale) / 2 - all.y * scale;
  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      const target = canvas.current;
      const context = target?.getContext("2d");
      if (!target || !context) return;
      const ratio = Math.min(2, window.devicePixelRatio || 1);
      target.width = WIDTH * ratio;
      target.height = HEIGHT * ratio;
      context.scale(ratio, ratio);
      const style = getComputedStyle(target);
      for (const node of nodes) drawNode(context, node, { left, top, scale }, style, running);
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = 1.5;
      context.strokeRect(view.x * scale + left, view.y * scale + top, view.width * scale, view.height * scale);
    });
    return () => cancelAnimationFrame(frame);
  });
  const go = (event: React.PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = { x: (event.clientX - box.x - left) / scale, y: (event.clientY - box.y - top) / scale };
    void theFlow()?.setCenter(at.x, at.y, { zoom });
  };
  return (
    <canvas
      ref={canvas}
      className="minimap"
      role="img"
      aria-label="Minimap"
      style={{ width: WIDTH, height: HEIGHT }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        go(event);
      }}
      onPointerMove={(event) => event.buttons === 1 && go(event)}
    />
  );
});

function boxOfNode(node: AnyNode): Box {
  return { ...node.position, width: node.width ?? 0, height: node.height ?? 0 };
}

interface Place {
  readonly left: number;
  readonly top: number;
  readonly scale: number;
}

const tokens = new Map<string, string>();

/** Canvas does not read custom properties: `var(--x)` is looked up, once for each theme. */
function resolve(colour: string, style: CSSStyleDeclaration): string {
  const name = /^var\((--[\w-]+)\)$/.exec(colour)?.[1];
  if (!name) return colour.includes("var(") ? style.getPropertyValue("--text-3") : colour;
  const key = `${document.documentElement.dataset.theme} ${name}`;
  const known = tokens.get(key) ?? style.getPropertyValue(name);
  tokens.set(key, known);
  return known;
}

function drawNode(
  context: CanvasRenderingContext2D,
  node: AnyNode,
  { left, top, scale }: Place,
  style: CSSStyleDeclaration,
  running: string | undefined,
): void {
  const box = boxOfNode(node);
  const [x, y, width, height] = [
    box.x * scale + left,
    box.y * scale + top,
    Math.max(1, box.width * scale),
    Math.max(1, box.height * scale),
  ];
  if (node.type === "frame") {
    context.strokeStyle = node.data.frame.color ?? "#3f789e";
    context.lineWidth = 1;
    context.strokeRect(x, y, width, height);
    return;
  }
  context.fillStyle =
    running === node.data.path ? resolve("var(--accent)", style) : resolve(categoryColour(node.data.shape), style);
  context.fillRect(x, y, width, height);
}
