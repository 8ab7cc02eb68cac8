import type { NodeId } from "../model/document";
import { placedNode } from "../model/shape";
import { currentGraph } from "../store/docs";
import { showAbove } from "../store/focus";
import { type Linking, select, useUi } from "../store/ui";
import { endsOf, link, linkToBody, verdict } from "./gestures";
import { linkingFrom } from "./linking";

/*
 * Links without a drag: a click or a tap on one socket, then on another, or on a node that takes it. Fingers are broad,
 * so they need not hit a socket but come near it, and sockets lie closer together than a finger is wide.
 */

/** How far from the middle of a socket a finger may come down, on the screen. */
const REACH = 22;
/** Inside its node only so far: there the widgets begin. */
const INWARD = 14;

/** Does what a click on the canvas means while one links, or begins to link. True where it meant something. */
export function tap(event: React.MouseEvent): boolean {
  const target = event.target as Element;
  const { linking } = useUi.getState();
  const touched = (event.nativeEvent as PointerEvent).pointerType === "touch";
  const socket =
    touched && !target.closest("button, input, textarea, .minimap")
      ? nearestSocket(event.clientX, event.clientY, linking?.tapped ? linking : undefined)
      : target.closest<HTMLElement>(".react-flow__handle");
  const { nodeid: node, handleid: handle } = socket?.dataset ?? {};
  if (node !== undefined && handle !== undefined) {
    if (linking?.tapped) finishAt(node, handle);
    else begin(node, handle);
    return true;
  }
  if (linking?.tapped) {
    stopLinking();
    const body = target.closest<HTMLElement>(".react-flow__node-card")?.dataset.id;
    return body !== undefined && body !== linking.node && linkToBody(linking, body);
  }
  return touched && onPhone() && openSheet(target);
}

function begin(node: NodeId, handle: string): void {
  const from = linkingFrom(node, handle, handle.startsWith("o:") ? "out" : "in");
  useUi.setState({ linking: from && { ...from, tapped: true }, hint: undefined });
}

function finishAt(node: NodeId, handle: string): void {
  const { linking } = useUi.getState();
  stopLinking();
  if (!linking || (linking.node === node && linking.handle === handle)) return;
  const side = handle.startsWith("o:") ? "out" : "in";
  // Two sockets of one side cannot be linked: the second is where one begins anew.
  if (side === linking.side) begin(node, handle);
  else link(endsOf(linking, { node, handle }));
}

/** Gives up the link that one draws or has begun, if there is one. */
export function stopLinking(): boolean {
  if (!useUi.getState().linking) return false;
  useUi.setState({ linking: undefined, hint: undefined });
  return true;
}

/** The socket that a finger came down at; while one links, one that fits before all others. */
function nearestSocket(x: number, y: number, linking: Linking | undefined): HTMLElement | undefined {
  let best: HTMLElement | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const socket of document.querySelectorAll<HTMLElement>(".react-flow__handle")) {
    const box = socket.getBoundingClientRect();
    const [dx, dy] = [x - (box.x + box.width / 2), y - (box.y + box.height / 2)];
    const inward = socket.dataset.side === "in" ? dx : -dx;
    if (Math.abs(dy) > REACH || inward > INWARD || inward < -REACH) continue;
    const away = Math.hypot(dx, dy) + (isLikely(socket, linking) ? 0 : REACH);
    if (away < least) [best, least] = [socket, away];
  }
  return best;
}

function isLikely(socket: HTMLElement, linking: Linking | undefined): boolean {
  const { nodeid: node, handleid: handle, side } = socket.dataset;
  if (!linking || !node || !handle) return !socket.classList.contains("pip");
  return side !== linking.side && verdict(endsOf(linking, { node, handle })).ok;
}

const onPhone = () => document.querySelector(".app.phone") !== null;

/** On a phone a node's widgets are too small for fingers: a tap on it shows them at the bottom, at full width. */
function openSheet(target: Element): boolean {
  const id = target.closest<HTMLElement>(".react-flow__node-card")?.dataset.id;
  if (id === undefined || target.closest("button, a, .react-flow__handle")) return false;
  const around = currentGraph();
  const widgets = placedNode(around, around.at, id)?.shape.widgets.length ?? 0;
  select([id]);
  if (!widgets) return false;
  useUi.setState({ right: "inspector", left: undefined });
  showAbove(id);
  return true;
}
