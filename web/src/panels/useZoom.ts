import { type RefObject, useEffect, useState } from "react";

interface Zoom {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

const START: Zoom = { x: 0, y: 0, scale: 1 };

/** Wheel zooms to the pointer, dragging pans, a double-click goes back. A new picture begins anew. */
export function useZoom(
  stage: RefObject<HTMLElement | null>,
  picture: string,
): { readonly style: React.CSSProperties; readonly zoom: Zoom } {
  const [zoom, setZoom] = useState(START);
  useEffect(() => setZoom(START), [picture]);
  useEffect(() => {
    const element = stage.current;
    if (!element) return;
    let drag: { x: number; y: number } | undefined;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const at = { x: event.clientX - box.x - box.width / 2, y: event.clientY - box.y - box.height / 2 };
      setZoom((old) => {
        const scale = Math.min(40, Math.max(0.2, old.scale * Math.exp(-event.deltaY * 0.0015)));
        const by = scale / old.scale;
        return { scale, x: at.x - (at.x - old.x) * by, y: at.y - (at.y - old.y) * by };
      });
    };
    const down = (event: PointerEvent) => {
      if ((event.target as Element).closest("button, a, input")) return;
      drag = { x: event.clientX, y: event.clientY };
      element.setPointerCapture(event.pointerId);
    };
    const move = (event: PointerEvent) => {
      if (!drag) return;
      const by = { x: event.clientX - drag.x, y: event.clientY - drag.y };
      drag = { x: event.clientX, y: event.clientY };
      setZoom((old) => ({ ...old, x: old.x + by.x, y: old.y + by.y }));
    };
    const up = () => {
      drag = undefined;
    };
    const reset = () => setZoom(START);
    element.addEventListener("wheel", wheel, { passive: false });
    element.addEventListener("pointerdown", down);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", up);
    element.addEventListener("dblclick", reset);
    return () => {
      element.removeEventListener("wheel", wheel);
      element.removeEventListener("pointerdown", down);
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", up);
      element.removeEventListener("dblclick", reset);
    };
  }, [stage]);
  const crisp = zoom.scale > 2 ? ("pixelated" as const) : ("auto" as const);
  return {
    zoom,
    style: { transform: `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.scale})`, imageRendering: crisp },
  };
}
