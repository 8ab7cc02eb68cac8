import { type PointerEvent, type RefObject, useEffect, useRef, useState } from "react";
import { useUi } from "../store/ui";
import { outline, type Shape } from "./area";
import type { Dab } from "./brush";
import { inPicture, type Point, panned, pinched, type View, zoomedAt } from "./view";

interface StageProps {
  readonly stage: RefObject<HTMLDivElement | null>;
  readonly children: React.ReactNode;
  readonly view: View;
  readonly shape: Shape;
  /** How large the brush is in the picture. */
  readonly size: number;
  /** Whether the space bar is down: dragging pans. */
  readonly panning: boolean;
  readonly onView: (change: (old: View) => View) => void;
  readonly onDab: (from: Dab, to: Dab) => void;
  readonly onArea: (points: readonly Point[]) => void;
  readonly onStroke: () => void;
  /** A second finger came: what the first has drawn was no stroke. */
  readonly onDrop: () => void;
}

type Gesture =
  | { readonly kind: "pan"; readonly at: Point }
  | { readonly kind: "stroke"; readonly last: Dab }
  | { readonly kind: "area"; readonly points: readonly Point[] };

/** Left paints, middle, right or space pans, the wheel zooms to the pointer, two fingers do both: as on the canvas. */
export function MaskStage(props: StageProps) {
  const { stage, children, view, shape, size, panning, onView, onDab, onArea, onStroke, onDrop } = props;
  const gesture = useRef<Gesture>(undefined);
  const fingers = useRef(new Map<number, Point>());
  const [cursor, setCursor] = useState<Point>();
  const [area, setArea] = useState<readonly Point[]>();
  useWheel(stage, onView);
  const spot = (event: { clientX: number; clientY: number }): Point => {
    const box = stage.current?.getBoundingClientRect();
    return { x: event.clientX - (box?.x ?? 0), y: event.clientY - (box?.y ?? 0) };
  };
  const dab = (event: { clientX: number; clientY: number; pressure: number; pointerType: string }): Dab => ({
    ...inPicture(view, spot(event)),
    pressure: event.pointerType === "pen" ? event.pressure : 1,
  });
  const down = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") fingers.current.set(event.pointerId, spot(event));
    if (fingers.current.size > 1) {
      if (gesture.current?.kind === "stroke") onDrop();
      gesture.current = undefined;
      setArea(undefined);
      return;
    }
    if (event.button !== 0 || panning) gesture.current = { kind: "pan", at: spot(event) };
    else if (shape === "brush") {
      const first = dab(event);
      gesture.current = { kind: "stroke", last: first };
      onDab(first, first);
    } else gesture.current = { kind: "area", points: [inPicture(view, spot(event))] };
  };
  const move = (event: PointerEvent<HTMLDivElement>) => {
    const at = spot(event);
    setCursor(at);
    if (fingers.current.has(event.pointerId) && fingers.current.size > 1) return pinch(event.pointerId, at);
    const now = gesture.current;
    if (now?.kind === "pan") {
      gesture.current = { kind: "pan", at };
      onView((old) => panned(old, { x: at.x - now.at.x, y: at.y - now.at.y }));
    } else if (now?.kind === "stroke") {
      let { last } = now;
      for (const each of steps(event)) {
        const next = dab(each);
        onDab(last, next);
        last = next;
      }
      gesture.current = { kind: "stroke", last };
    } else if (now?.kind === "area") {
      const points = [...now.points, inPicture(view, at)];
      gesture.current = { kind: "area", points };
      setArea(outline(shape, points));
    }
  };
  const pinch = (id: number, at: Point) => {
    const before = [...fingers.current.values()].slice(0, 2) as [Point, Point];
    fingers.current.set(id, at);
    const after = [...fingers.current.values()].slice(0, 2) as [Point, Point];
    onView((old) => pinched(old, before, after));
  };
  const end = (event: PointerEvent<HTMLDivElement>) => {
    fingers.current.delete(event.pointerId);
    const now = gesture.current;
    gesture.current = undefined;
    setArea(undefined);
    if (event.pointerType === "touch") setCursor(undefined);
    if (now?.kind === "area" && now.points.length > 1) onArea(outline(shape, now.points));
    if (now?.kind === "stroke" || now?.kind === "area") onStroke();
  };
  const radius = (size * view.scale) / 2;
  return (
    <div
      ref={stage}
      className={panning ? "mask-stage panning" : `mask-stage ${shape}`}
      role="application"
      aria-label="Paint on the picture"
      tabIndex={-1}
      onContextMenu={(event) => event.preventDefault()}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={end}
      onPointerCancel={end}
      onPointerLeave={() => setCursor(undefined)}
    >
      {children}
      <svg className="mask-marks" aria-hidden="true">
        {area && <polygon points={area.map((one) => onStage(view, one)).join(" ")} />}
        {cursor && shape === "brush" && !panning && (
          <>
            <circle className="under" cx={cursor.x} cy={cursor.y} r={radius} />
            <circle cx={cursor.x} cy={cursor.y} r={radius} />
          </>
        )}
      </svg>
    </div>
  );
}

const onStage = (view: View, { x, y }: Point) => `${view.x + x * view.scale},${view.y + y * view.scale}`;

/** Where the pointer was since the last event, too: browsers tell of it once a frame, and some not to plain HTTP. */
function steps(event: PointerEvent): readonly globalThis.PointerEvent[] {
  const all = event.nativeEvent.getCoalescedEvents?.() ?? [];
  return all.length ? all : [event.nativeEvent];
}

function useWheel(stage: RefObject<HTMLDivElement | null>, onView: StageProps["onView"]): void {
  const trackpad = useUi((state) => state.trackpad);
  useEffect(() => {
    const element = stage.current;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element?.getBoundingClientRect();
      if (!box) return;
      const at = { x: event.clientX - box.x, y: event.clientY - box.y };
      // Two fingers that go apart on a trackpad come as a wheel with Ctrl.
      if (trackpad && !event.ctrlKey) onView((old) => panned(old, { x: -event.deltaX, y: -event.deltaY }));
      else onView((old) => zoomedAt(old, at, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015))));
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  }, [stage, trackpad, onView]);
}
