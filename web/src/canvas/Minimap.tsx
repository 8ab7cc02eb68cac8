import { useStoreApi } from "@xyflow/react";
import { memo, useEffect, useRef } from "react";
import { type Box, bounds } from "../model/edits";
import { useExec } from "../store/exec";
import { theFlow } from "../store/focus";
import { categoryColour } from "./category";
import type { AnyNode } from "./derive";

const WIDTH = 200;
const HEIGHT = 140;
const MARGIN = 10;
/** A dragged node is seen to move in the minimap this often; the view's frame moves with every frame. */
const REDRAW_MS = 120;

interface Scene {
  readonly nodes: readonly AnyNode[];
  readonly running?: string;
}

/** The whole graph in small; press or drag to go there. Moving the view moves one element, and draws nothing. */
export default memo(function Minimap({ nodes, tab }: { nodes: readonly AnyNode[]; tab: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLElement>(null);
  const pulse = useRef<HTMLElement>(null);
  const map = useRef<Map2D>(undefined);
  const store = useStoreApi();
  const running = useExec((state) => {
    const states = state.runs[tab]?.nodes ?? {};
    return Object.keys(states).find((id) => states[id]?.state === "running");
  });
  useEffect(() => {
    if (!canvas.current || !frame.current || !pulse.current) return;
    const made = makeMap(canvas.current, frame.current, pulse.current);
    map.current = made;
    const follow = () => {
      const { transform, width, height } = store.getState();
      const [x, y, zoom] = transform;
      made.look({ x: -x / zoom, y: -y / zoom, width: width / zoom, height: height / zoom });
    };
    follow();
    const stop = store.subscribe((now, before) => {
      if (now.transform !== before.transform || now.width !== before.width || now.height !== before.height) follow();
    });
    return () => {
      stop();
      made.end();
    };
  }, [store]);
  useEffect(() => map.current?.show({ nodes, running }), [nodes, running]);
  const go = (event: React.PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = map.current?.placeOf({ x: event.clientX - box.x, y: event.clientY - box.y });
    const flow = theFlow();
    if (at && flow) void flow.setCenter(at.x, at.y, { zoom: flow.getZoom() });
  };
  return (
    <div
      className="minimap"
      role="img"
      aria-label="Minimap"
      style={{ width: WIDTH, height: HEIGHT }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        go(event);
      }}
      onPointerMove={(event) => event.buttons === 1 && go(event)}
    >
      <canvas ref={canvas} />
      <i ref={pulse} className="pulse" hidden />
      <i ref={frame} className="view" />
    </div>
  );
});

type Map2D = ReturnType<typeof makeMap>;

/** Draws the nodes now and then, and moves the frame of the view at once. */
function makeMap(canvas: HTMLCanvasElement, frame: HTMLElement, pulse: HTMLElement) {
  let scene: Scene = { nodes: [] };
  let content: Box | undefined;
  let view: Box = { x: 0, y: 0, width: 1, height: 1 };
  let at: Place = { left: 0, top: 0, scale: 1 };
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = WIDTH * ratio;
  canvas.height = HEIGHT * ratio;
  const draw = () => {
    waiting = undefined;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, WIDTH, HEIGHT);
    const colour = colours(getComputedStyle(canvas));
    for (const node of scene.nodes) drawNode(context, node, { at, colour, running: scene.running });
    placePulse(pulse, scene, at);
  };
  const drawSoon = () => {
    waiting ??= setTimeout(draw, REDRAW_MS);
  };
  const place = () => {
    asked = 0;
    const now = placeAll(content, view);
    if (now.left !== at.left || now.top !== at.top || now.scale !== at.scale) drawSoon();
    at = now;
    const [x, y] = [view.x * at.scale + at.left, view.y * at.scale + at.top];
    const [width, height] = [view.width * at.scale, view.height * at.scale];
    frame.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    const size = `${width.toFixed(1)}px ${height.toFixed(1)}px`;
    if (frame.dataset.size === size) return;
    frame.dataset.size = size;
    frame.style.width = `${width.toFixed(1)}px`;
    frame.style.height = `${height.toFixed(1)}px`;
  };
  const recolour = new MutationObserver(drawSoon);
  recolour.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const placeSoon = () => {
    if (!asked) asked = requestAnimationFrame(place);
  };
  return {
    show(next: Scene): void {
      scene = next;
      content = bounds(scene.nodes.map(boxOfNode));
      placeSoon();
      drawSoon();
    },
    look(next: Box): void {
      view = next;
      placeSoon();
    },
    /** Where in the graph a point of the minimap is. */
    placeOf: ({ x, y }: { x: number; y: number }) => ({ x: (x - at.left) / at.scale, y: (y - at.top) / at.scale }),
    end(): void {
      recolour.disconnect();
      clearTimeout(waiting);
      cancelAnimationFrame(asked);
    },
  };
}

/** Lays a blinking box over the node at work. */
function placePulse(pulse: HTMLElement, { nodes, running }: Scene, at: Place): void {
  const node =
    running === undefined ? undefined : nodes.find((one) => one.type === "card" && one.data.path === running);
  pulse.hidden = !node;
  if (!node) return;
  const { x, y, width, height } = onMap(boxOfNode(node), at);
  pulse.style.transform = `translate(${x}px, ${y}px)`;
  pulse.style.width = `${width}px`;
  pulse.style.height = `${height}px`;
}

/** A box of the graph where the minimap has it. */
const onMap = (box: Box, at: Place): Box => ({
  x: box.x * at.scale + at.left,
  y: box.y * at.scale + at.top,
  width: Math.max(1, box.width * at.scale),
  height: Math.max(1, box.height * at.scale),
});

interface Place {
  readonly left: number;
  readonly top: number;
  readonly scale: number;
}

/** Fits the graph and the view into the minimap. */
function placeAll(content: Box | undefined, view: Box): Place {
  const all = bounds(content ? [content, view] : [view]) as Box;
  const scale = Math.min((WIDTH - 2 * MARGIN) / all.width, (HEIGHT - 2 * MARGIN) / all.height);
  return {
    left: (WIDTH - all.width * scale) / 2 - all.x * scale,
    top: (HEIGHT - all.height * scale) / 2 - all.y * scale,
    scale,
  };
}

function boxOfNode(node: AnyNode): Box {
  return { ...node.position, width: node.width ?? 0, height: node.height ?? 0 };
}

/** Canvas does not read custom properties: each `var(--x)` is looked up once for a drawing. */
function colours(style: CSSStyleDeclaration): (colour: string) => string {
  const known = new Map<string, string>();
  return (colour) => {
    const name = /^var\((--[\w-]+)\)$/.exec(colour)?.[1];
    if (!name && !colour.includes("var(")) return colour;
    const found = known.get(colour) ?? style.getPropertyValue(name ?? "--text-3");
    known.set(colour, found);
    return found;
  };
}

interface Drawing {
  readonly at: Place;
  readonly colour: (colour: string) => string;
  readonly running?: string;
}

function drawNode(context: CanvasRenderingContext2D, node: AnyNode, { at, colour, running }: Drawing): void {
  const { x, y, width, height } = onMap(boxOfNode(node), at);
  if (node.type === "dot") return;
  if (node.type === "frame") {
    context.strokeStyle = node.data.frame.color ?? "#3f789e";
    context.lineWidth = 1;
    context.strokeRect(x, y, width, height);
    return;
  }
  if (node.type !== "card") return;
  context.fillStyle = colour(running === node.data.path ? "var(--accent)" : categoryColour(node.data.shape));
  context.fillRect(x, y, width, height);
}
