import { ViewportPortal } from "@xyflow/react";
import { memo, useMemo } from "react";
import { linkPath } from "../model/curves";
import type { Graph, NodeId } from "../model/document";
import { fedIn } from "../model/everywhere";
import { inputHandle, outputHandle } from "../model/layout";
import { socketColour } from "../model/types";
import { useUi } from "../store/ui";
import type { AnyNode } from "./derive";
import { pointOf } from "./TinyLinks";

interface Props {
  readonly nodes: readonly AnyNode[];
  readonly graph: Graph;
  readonly selection: ReadonlySet<NodeId>;
}

/** The links that "Use Everywhere" makes: of the selected nodes, or all of them where a person wants that. */
export default memo(function EverywhereLinks({ nodes, graph, selection }: Props) {
  const always = useUi((state) => state.everywhere);
  const straight = useUi((state) => state.straight);
  const paths = useMemo(() => {
    const known = new Map(nodes.map((node) => [node.id, node]));
    const all = [...fedIn(graph).values()].flat();
    const wanted = always
      ? all
      : all.filter(({ from, to, sender }) => [from, to, sender].some((id) => id !== undefined && selection.has(id)));
    return wanted.flatMap((link) => {
      const from = pointOf(known.get(link.from), outputHandle(link.slot));
      const to = pointOf(known.get(link.to), inputHandle(link.input));
      if (!from || !to) return [];
      const path = linkPath({ sourceX: from.x, sourceY: from.y, targetX: to.x, targetY: to.y }, straight);
      return [{ key: `${link.to} ${link.input}`, path, colour: socketColour(link.type) }];
    });
  }, [nodes, graph, selection, always, straight]);
  return (
    <ViewportPortal>
      <svg className="everywhere-links" aria-hidden="true">
        {paths.map(({ key, path, colour }) => (
          <path key={key} d={path} stroke={colour} />
        ))}
      </svg>
    </ViewportPortal>
  );
});
