import type { NodeProps } from "@xyflow/react";
import { memo } from "react";
import { socketColour } from "../model/types";
import type { DotNode } from "./derive";

/** A point that links are led through: to drag, or to take away. */
export const DotView = memo(function DotView({ data, selected }: NodeProps<DotNode>) {
  return <i className={selected ? "link-dot selected" : "link-dot"} style={{ color: socketColour(data.type) }} />;
});
