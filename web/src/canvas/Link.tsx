import { BaseEdge, type EdgeProps, useStore } from "@xyflow/react";
import { memo, useState } from "react";
import { createPortal } from "react-dom";
import { type Ends, linkPath, middleOf, pathThrough } from "../model/curves";
import { disconnect, type Point } from "../model/edits";
import { socketColour } from "../model/types";
import { activeTab, edit } from "../store/docs";
import { useExec } from "../store/exec";
import { useUi } from "../store/ui";
import type { LinkEdge } from "./derive";

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
  const [hovered, setHovered] = useState<Point>();
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
      onPointerEnter={(event) => event.buttons || setHovered({ x: event.clientX, y: event.clientY })}
      onPointerLeave={() => setHovered(undefined)}
    >
      <path className="link-casing" d={path} />
      <BaseEdge id={id} path={path} interactionWidth={18} />
      {hovered && !inserting && (
        <>
          <Cut at={middleOf(ends, data.via)} link={data.link.id} />
          {createPortal(<Tip at={hovered} text={data.title} />, document.body)}
        </>
      )}
    </g>
  );
});

const GAP = 8;

/** The link as it would be led into the dragged node and out of it, with a gap at each side. */
function pathAround(ends: Ends, { into, out }: { into: Point; out: Point }, straight: boolean): string {
  const before = linkPath({ ...ends, targetX: into.x - GAP, targetY: into.y }, straight);
  return `${before} ${linkPath({ ...ends, sourceX: out.x + GAP, sourceY: out.y }, straight)}`;
}

/** Names the ends of the link that is pointed at. */
function Tip({ at, text }: { at: Point; text: string }) {
  const left = Math.min(at.x + 12, window.innerWidth - 320);
  const top = at.y > window.innerHeight - 80 ? at.y - 44 : at.y + 18;
  return (
    <div className="link-tip" role="tooltip" style={{ left, top }}>
      {text}
    </div>
  );
}

/** The cross on a link that is pointed at: a click takes the link away. */
function Cut({ at, link }: { at: Point; link: number }) {
  // Far away it keeps the size that can be hit.
  const size = useStore((state) => Math.max(1, 1 / state.transform[2]));
  const cut = () => edit("disconnect", (doc, graph) => disconnect(doc, graph, [link]));
  return (
    <g className="link-cut" transform={`translate(${at.x} ${at.y}) scale(${size})`} onClick={cut}>
      <circle r={12} className="reach" />
      <circle r={9} />
      <path d="M-3.5-3.5 3.5 3.5M3.5-3.5-3.5 3.5" />
    </g>
  );
}
