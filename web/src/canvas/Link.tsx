import { BaseEdge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";
import type { Point } from "../model/edits";
import { socketColour } from "../model/types";
import { activeTab } from "../store/docs";
import { useExec } from "../store/exec";
import { useUi } from "../store/ui";
import type { LinkEdge } from "./derive";

export interface Ends {
  readonly sourceX: number;
  readonly sourceY: number;
  readonly targetX: number;
  readonly targetY: number;
}

/** A horizontal cubic; links that go backwards swing round their nodes. */
export function linkPath({ sourceX, sourceY, targetX, targetY }: Ends, straight = false): string {
  const dx = targetX - sourceX;
  if (straight) {
    const middle = sourceX + Math.max(24, dx / 2);
    return `M${sourceX},${sourceY} H${middle} V${targetY} H${targetX}`;
  }
  const pull = dx >= 0 ? Math.min(200, Math.max(40, dx / 2)) : Math.min(320, 80 - dx / 3);
  return `M${sourceX},${sourceY} C${sourceX + pull},${sourceY} ${targetX - pull},${targetY} ${targetX},${targetY}`;
}

/** The path from one end to the other by way of the points, each part as a link of its own. */
export function pathThrough(ends: Ends, via: readonly Point[], straight: boolean): string {
  if (!via.length) return linkPath(ends, straight);
  const stops = [{ x: ends.sourceX, y: ends.sourceY }, ...via, { x: ends.targetX, y: ends.targetY }];
  return stops
    .slice(1)
    .map((to, i) => {
      const from = stops[i] as Point;
      return linkPath({ sourceX: from.x, sourceY: from.y, targetX: to.x, targetY: to.y }, straight);
    })
    .join(" ");
}

export const LinkView = memo(function LinkView({
  id,
  data,
  selected,
  sourceX,
  sourceY,
  targetX,
  targetY,
}: EdgeProps<LinkEdge>) {
  const straight = useUi((state) => state.straight);
  const flowing = useExec((state) => {
    const tab = activeTab();
    return data !== undefined && state.runs[tab.id]?.nodes[[...tab.view, data.link.to].join(":")]?.state === "running";
  });
  if (!data) return null;
  const path = pathThrough({ sourceX, sourceY, targetX, targetY }, data.via, straight);
  const names = ["link", selected && "selected", data.off && "off", data.bypassed && "bypassed", flowing && "flowing"];
  return (
    <g className={names.filter(Boolean).join(" ")} style={{ color: socketColour(data.link.type) }}>
      <title>{data.title}</title>
      <path className="link-casing" d={path} />
      <BaseEdge id={id} path={path} interactionWidth={18} />
    </g>
  );
});
