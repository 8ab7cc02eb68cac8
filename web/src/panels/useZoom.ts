import { useCallback, useEffect, useState } from "react";
import { FITTED, fitOf, isFitted, type Zoom, zoomedAt } from "../model/zoom";

/** What the stylesheet leaves around a fitted picture. */
export const STAGE_PADDING = 24;
const KEY_STEP = 1.25;
const CRISP_FROM = 2;

interface Zooming {
  /** To be put on the stage: the part of the screen that the picture is fitted into. */
  readonly stage: (element: HTMLElement | null) => void;
  readonly style: React.CSSProperties;
  /** Pixels of the screen for a hundred of the picture. */
  readonly percent: number;
  /** To be put on the picture whose pixels count. */
  readonly onLoad: () => void;
  /** Between the fitted picture and its own pixels. */
  readonly toggle: () => void;
  /** Whether the key was one of the zoom's: + - 0 1. */
  readonly press: (event: React.KeyboardEvent) => boolean;
}

/**
 * Wheel and two fingers zoom to where they are, dragging pans, a double-click goes to the picture's own pixels and
 * back. A new picture begins anew.
 */
export function useZoom(picture: string): Zooming {
  const [stage, setStage] = useState<HTMLElement | null>(null);
  const [zoom, setZoom] = useState(FITTED);
  const [, redraw] = useState(0);
  useEffect(() => {
    setZoom(FITTED);
    redraw((count) => count + 1);
  }, [picture]);
  const fitNow = useCallback(() => measure(stage), [stage]);
  const toggleAt = useCallback(
    (at: { x: number; y: number }) =>
      setZoom((old) => (isFitted(old) ? zoomedAt(FITTED, 1 / fitNow(), at, fitNow()) : FITTED)),
    [fitNow],
  );
  useEffect(() => (stage ? listen(stage, { setZoom, fitNow, toggleAt }) : undefined), [stage, fitNow, toggleAt]);
  const middle = { x: 0, y: 0 };
  const press = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "+" || event.key === "=") setZoom((old) => zoomedAt(old, KEY_STEP, middle, fitNow()));
    else if (event.key === "-") setZoom((old) => zoomedAt(old, 1 / KEY_STEP, middle, fitNow()));
    else if (event.key === "0") setZoom(FITTED);
    else if (event.key === "1") setZoom((old) => zoomedAt(old, 1 / fitNow() / old.scale, middle, fitNow()));
    else return false;
    return true;
  };
  const pixels = fitNow() * zoom.scale;
  const crisp = !isFitted(zoom) && pixels >= CRISP_FROM;
  return {
    stage: setStage,
    style: {
      transform: `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.scale})`,
      imageRendering: crisp ? "pixelated" : "auto",
    },
    percent: Math.round(100 * pixels),
    onLoad: () => redraw((count) => count + 1),
    toggle: () => toggleAt(middle),
    press,
  };
}

function measure(stage: HTMLElement | null): number {
  const image = stage?.querySelector("img");
  const box = image?.parentElement?.getBoundingClientRect();
  if (!image || !box) return 1;
  return fitOf({ width: image.naturalWidth, height: image.naturalHeight }, box, STAGE_PADDING);
}

interface Controls {
  readonly setZoom: (change: (old: Zoom) => Zoom) => void;
  readonly fitNow: () => number;
  readonly toggleAt: (at: { x: number; y: number }) => void;
}

function listen(element: HTMLElement, { setZoom, fitNow, toggleAt }: Controls): () => void {
  const fingers = new Map<number, { x: number; y: number }>();
  const fromMiddle = (at: { clientX: number; clientY: number }) => {
    // Side by side there are two pictures, each with a middle of its own.
    const halves = [...element.querySelectorAll(".half")].map((half) => half.getBoundingClientRect());
    const box =
      halves.find((half) => at.clientX <= half.right && at.clientY <= half.bottom) ?? element.getBoundingClientRect();
    return { x: at.clientX - box.x - box.width / 2, y: at.clientY - box.y - box.height / 2 };
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const at = fromMiddle(event);
    // Two fingers that go apart on a trackpad come as a wheel with Ctrl, and turn it little.
    const pace = event.ctrlKey ? 0.01 : 0.0015;
    setZoom((old) => zoomedAt(old, Math.exp(-event.deltaY * pace), at, fitNow()));
  };
  const down = (event: PointerEvent) => {
    if ((event.target as Element).closest("button, a, input, [role=slider]")) return;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    element.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    fingers.set(event.pointerId, now);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) return setZoom((old) => ({ ...old, x: old.x + now.x - before.x, y: old.y + now.y - before.y }));
    const by = distance(now, other) / Math.max(1, distance(before, other));
    const at = fromMiddle({ clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
    setZoom((old) => {
      const next = zoomedAt(old, by, at, fitNow());
      return { ...next, x: next.x + (now.x - before.x) / 2, y: next.y + (now.y - before.y) / 2 };
    });
  };
  const up = (event: PointerEvent) => fingers.delete(event.pointerId);
  const twice = (event: MouseEvent) => {
    if (!(event.target as Element).closest("button, a, input, [role=slider]")) toggleAt(fromMiddle(event));
  };
  element.addEventListener("wheel", wheel, { passive: false });
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("dblclick", twice);
  return () => {
    element.removeEventListener("wheel", wheel);
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("dblclick", twice);
  };
}

const distance = (a: { x: number; y: number }, b: { x: number; y: number }) => Math.hypot(a.x - b.x, a.y - b.y);
