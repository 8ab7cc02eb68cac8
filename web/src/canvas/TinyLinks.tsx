import { useStoreApi, ViewportPortal } from "@xyflow/react";
import { memo, useEffect, useMemo, useRef } from "react";
import { pathThrough } from "../model/curves";
import { socketColour } from "../model/types";
import { useUi } from "../store/ui";
import type { AnyNode, LinkEdge } from "./derive";

const WIDTH = 1.3;

interface Props {
  readonly nodes: readonly AnyNode[];
  readonly edges: readonly LinkEdge[];
}

/** All links seen from very far, as one path for each colour: nothing of it changes while the view moves. */
export const TinyLinks = memo(function TinyLinks({ nodes, edges }: Props) {
  const straight = useUi((state) => state.straight);
  const paths = useMemo(() => pathsByColour({ nodes, edges }, straight), [nodes, edges, straight]);
  const svg = useRef<SVGSVGElement>(null);
  const store = useStoreApi();
  useEffect(() => {
    const widen = (zoom: number) => svg.current?.style.setProperty("stroke-width", (WIDTH / zoom).toFixed(1));
    widen(store.getState().transform[2]);
    return store.subscribe((now, before) => {
      if (now.transform[2] !== before.transform[2]) widen(now.transform[2]);
    });
  }, [store]);
  return (
    <ViewportPortal>
      <svg ref={svg} className="tiny-links" aria-hidden="true">
        {paths.map(([colour, path]) => (
          <path key={colour} d={path} stroke={colour} />
        ))}
      </svg>
    </ViewportPortal>
  );
});

function pathsByColour({ nodes, edges }: Props, straight: boolean): readonly [string, string][] {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const parts = new Map<string, string[]>();
  for (const edge of edges) {
    const from = pointOf(known.get(edge.source), edge.sourceHandle);
    const to = pointOf(known.get(edge.target), edge.targetHandle);
    if (!from || !to || edge.hidden || !edge.data) continue;
    const colour = socketColour(edge.data.link.type);
    const path = pathThrough(
      { sourceX: from.x, sourceY: from.y, targetX: to.x, targetY: to.y },
      edge.data.via,
      straight,
    );
    const same = parts.get(colour);
    if (same) same.push(path);
    else parts.set(colour, [path]);
  }
  return [...parts].map(([colour, all]) => [colour, all.join("")]);
}

/** Where a node of the canvas has a handle. */
export function pointOf(node: AnyNode | undefined, handle: string | null | undefined) {
  if (!node) return undefined;
  const handles = node.type === "card" ? node.data.layout.handles : node.handles;
  const found = handles?.find((one) => one.id === handle);
  return found && { x: node.position.x + found.x, y: node.position.y + found.y };
}
