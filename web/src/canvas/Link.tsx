import { BaseEdge, type EdgeProps } from "@xyflow/react";
import { memo, useState } from "react";
import { disconnect, type Point } from "../model/edits";
import { socketColour } from "../model/types";
import { activeTab, edit } from "../store/docs";
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
  const inserting = useUi((state) => (state.inserting?.link === data?.link.id ? state.inserting : undefined));
  const [hovered, setHovered] = useState(false);
  if (!data) return null;
  const ends = { sourceX, sourceY, targetX, targetY };
  const path = inserting ? pathAround(ends, inserting, straight) : pathThrough(ends, data.via, straight);
  const names = [
    "link",
    selected && "selected",
    data.off && "off",
    data.bypassed && "bypassed",
    flowing && "flowing",
    inserting && "inserting",
  ];
  return (
    <g
      className={names.filter(Boolean).join(" ")}
      style={{ color: socketColour(data.link.type) }}
      onPointerEnter={() => setHovered(true)}
      onPointerLeave={() => setHovered(false)}
    >
      <title>{data.title}</title>
      <path className="link-casing" d={path} />
      <BaseEdge id={id} path={path} interactionWidth={18} />
      {hovered && !inserting && <Cut at={middleOf(ends, data.via)} link={data.link.id} />}
    </g>
  );
});

const GAP = 8;

/** The link as it would be led into the dragged node and out of it, with a gap at each side. */
function pathAround(ends: Ends, { into, out }: { into: Point; out: Point }, straight: boolean): string {
  const before = linkPath({ ...ends, targetX: into.x - GAP, targetY: into.y }, straight);
  return `${before} ${linkPath({ ...ends, sourceX: out.x + GAP, sourceY: out.y }, straight)}`;
}

/** Halfway along the middle part of the link. */
function middleOf(ends: Ends, via: readonly Point[]): Point {
  const stops = [{ x: ends.sourceX, y: ends.sourceY }, ...via, { x: ends.targetX, y: ends.targetY }];
  const [a, b] = stops.slice(Math.floor(via.length / 2)) as [Point, Point];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

/** The cross on a link that is pointed at: a click takes the link away. */
function Cut({ at, link }: { at: Point; link: number }) {
  const cut = () => edit("disconnect", (doc, graph) => disconnect(doc, graph, [link]));
  return (
    <g className="link-cut" transform={`translate(${at.x} ${at.y})`} onClick={cut}>
      <circle r={9} />
      <path d="M-3.5-3.5 3.5 3.5M3.5-3.5-3.5 3.5" />
    </g>
  );
}
