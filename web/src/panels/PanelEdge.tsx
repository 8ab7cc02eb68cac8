import type { RefObject } from "react";
import { useUi } from "../store/ui";

export const PANEL_WIDTH = 320;
const LEAST = 240;
const MOST = 800;
const STEP = 16;

interface Props {
  readonly side: "left" | "right";
  readonly title: string;
  readonly width: number;
  readonly panel: RefObject<HTMLElement | null>;
}

/** The canvas keeps some room beside both panels. */
const most = () => Math.max(LEAST, Math.min(MOST, Math.round(window.innerWidth * 0.45)));
const within = (width: number) => Math.round(Math.max(LEAST, Math.min(most(), width)));

/** The edge of a panel: dragged, or moved by arrows, it makes the panel wider; a double-click takes that back. */
export function PanelEdge({ side, title, width, panel }: Props) {
  const sign = side === "left" ? 1 : -1;
  const keep = (next: number | undefined) => useUi.setState({ [`${side}Width`]: next && within(next) });
  const drag = (event: React.PointerEvent<HTMLElement>) => {
    if (event.button !== 0) return;
    const edge = event.currentTarget;
    const from = event.clientX;
    let latest = width;
    const follow = ({ clientX }: PointerEvent) => {
      latest = within(width + sign * (clientX - from));
      // What is in the panel need not be drawn anew for each pixel.
      panel.current?.style.setProperty("--width", `${latest}px`);
    };
    const drop = () => {
      edge.removeEventListener("pointermove", follow);
      edge.removeEventListener("lostpointercapture", drop);
      if (latest !== width) keep(latest);
    };
    edge.setPointerCapture(event.pointerId);
    edge.addEventListener("pointermove", follow);
    edge.addEventListener("lostpointercapture", drop);
  };
  const press = (event: React.KeyboardEvent) => {
    const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (by !== undefined) keep(width + sign * by);
    else if (event.key === "Home") keep(LEAST);
    else if (event.key === "End") keep(most());
    else if (event.key === "Enter") keep(undefined);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that moves is no hr
    <div
      role="separator"
      tabIndex={0}
      className="panel-edge"
      aria-orientation="vertical"
      aria-label={`Width of ${title}`}
      aria-controls={`panel-${side}`}
      aria-valuenow={width}
      aria-valuemin={LEAST}
      aria-valuemax={most()}
      title="Drag to change the width; double-click to reset"
      onPointerDown={drag}
      onDoubleClick={() => keep(undefined)}
      onKeyDown={press}
    />
  );
}
