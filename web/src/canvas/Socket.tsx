import { Handle, Position } from "@xyflow/react";
import { type MouseEvent, memo } from "react";
import type { HandleAt } from "../model/layout";
import { isAny, socketColour, socketForm } from "../model/types";

interface Props {
  readonly at: HandleAt;
  readonly filled: boolean;
  readonly optional: boolean;
  readonly wanting: boolean;
  readonly pip: boolean;
  readonly label: string;
  readonly onGrab: (event: MouseEvent, handle: string) => void;
}

/** A socket on a node's border. Its place comes from the layout, and is what the links are drawn to. */
export const Socket = memo(function Socket({ at, filled, optional, wanting, pip, label, onGrab }: Props) {
  const source = at.side === "out";
  const names = [
    "socket",
    socketForm(at.type),
    filled && "filled",
    optional && "optional",
    pip && "pip",
    wanting && "wanting",
    isAny(at.type) && "any",
  ];
  return (
    <Handle
      id={at.id}
      type={source ? "source" : "target"}
      position={source ? Position.Right : Position.Left}
      className={names.filter(Boolean).join(" ")}
      style={{ left: at.x, top: at.y, color: socketColour(at.type) }}
      data-type={at.type}
      data-side={at.side}
      title={`${label} · ${at.type}`}
      role="img"
      aria-label={`${source ? "Output" : "Input"} ${label}, ${at.type}`}
      onMouseDownCapture={source ? undefined : (event: MouseEvent) => onGrab(event, at.id)}
    >
      <i />
    </Handle>
  );
});
