import type { Connection } from "@xyflow/react";
import type { NodeId } from "../model/document";
import type { Point } from "../model/edits";
import { placedNode } from "../model/shape";
import { currentGraph } from "../store/docs";
import { placeAt } from "../store/focus";
import { type Linking, useUi } from "../store/ui";
import { isFrameId, type LinkEdge } from "./derive";
import { dropLink, endsOf, link, linkToBody, takeMoved, verdict } from "./gestures";

/* Links that are drawn: from a socket to another, to a node, or into the open. */

export function isValid(connection: Connection | LinkEdge): boolean {
  if (!connection.sourceHandle || !connection.targetHandle) return false;
  const ends = {
    from: connection.source,
    slot: Number(connection.sourceHandle.slice(2)),
    to: connection.target,
    input: connection.targetHandle.slice(2),
  };
  return verdict(ends).ok;
}

export function makeLinkDrag() {
  let done = false;
  return {
    start: (_event: unknown, from: { nodeId: string | null; handleId: string | null; handleType: string | null }) => {
      done = false;
      if (!from.nodeId || !from.handleId) return;
      useUi.setState({ linking: linkingFrom(from.nodeId, from.handleId, from.handleType === "source" ? "out" : "in") });
    },
    connect: (connection: Connection) => {
      done = true;
      const { linking } = useUi.getState();
      if (!linking || !connection.sourceHandle || !connection.targetHandle) return;
      const ends = {
        from: connection.source,
        slot: Number(connection.sourceHandle.slice(2)),
        to: connection.target,
        input: connection.targetHandle.slice(2),
      };
      link(ends, linking.moved);
    },
    end: (event: MouseEvent | TouchEvent) => {
      const { linking } = useUi.getState();
      useUi.setState({ linking: undefined, hint: undefined });
      if (!linking || done) return;
      const point = "changedTouches" in event ? event.changedTouches[0] : event;
      if (point) dropOn(linking, { x: point.clientX, y: point.clientY });
    },
  };
}

export function linkingFrom(node: NodeId, handle: string, side: "in" | "out"): Linking | undefined {
  const around = currentGraph();
  const found = placedNode(around, around.at, node);
  const name = handle.slice(2);
  const type =
    side === "out"
      ? found?.shape.outputs[Number(name)]?.type
      : found?.shape.inputs.find((one) => one.name === name)?.type;
  return type === undefined ? undefined : { node, handle, side, type, moved: side === "out" ? takeMoved() : undefined };
}

function dropOn(linking: Linking, screen: Point): void {
  const target = document.elementFromPoint(screen.x, screen.y);
  const socket = target?.closest<HTMLElement>(".react-flow__handle");
  const node = target?.closest<HTMLElement>(".react-flow__node")?.dataset.id;
  if (socket?.dataset.nodeid && socket.dataset.handleid && socket.dataset.side !== linking.side) {
    link(endsOf(linking, { node: socket.dataset.nodeid, handle: socket.dataset.handleid }), linking.moved);
    return;
  }
  if (node && !isFrameId(node) && node !== linking.node) {
    linkToBody(linking, node);
    return;
  }
  if (linking.moved !== undefined) {
    dropLink(linking.moved);
    return;
  }
  if (!target?.closest(".canvas") || node === linking.node) return;
  useUi.setState({ search: { screen, place: placeAt(screen), from: linking } });
}
