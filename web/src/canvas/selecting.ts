import type { EdgeChange, NodeChange } from "@xyflow/react";
import { useUi } from "../store/ui";
import { type AnyNode, frameNumber, isFrameId, type LinkEdge } from "./derive";
import { drawsMarquee, withMarquee } from "./marquee";

export function selectNodes(changes: readonly NodeChange<AnyNode>[]): void {
  const chosen = changes.filter((change) => change.type === "select");
  if (!chosen.length) return;
  useUi.setState((state) => {
    const selection = new Set(state.selection);
    const frames = new Set(state.frames);
    for (const change of chosen) {
      if (isFrameId(change.id)) {
        if (drawsMarquee()) continue;
        change.selected ? frames.add(frameNumber(change.id)) : frames.delete(frameNumber(change.id));
      } else change.selected ? selection.add(change.id) : selection.delete(change.id);
    }
    return { selection: withMarquee(selection), frames };
  });
}

export function selectEdges(changes: readonly EdgeChange<LinkEdge>[]): void {
  const chosen = changes.filter((change) => change.type === "select");
  if (!chosen.length) return;
  useUi.setState((state) => {
    const links = new Set(state.links);
    for (const change of chosen) {
      const id = Number(change.id.slice(2));
      if (change.selected) links.add(id);
      else links.delete(id);
    }
    return { links };
  });
}
