import type { MouseEvent as ReactMouseEvent } from "react";
import type { NodeId } from "../model/document";
import { placeAt } from "../store/focus";
import { useUi } from "../store/ui";

/** Opens the menu of a node, a link or a frame, or of the canvas, where the pointer is. */
export function openMenu(
  event: ReactMouseEvent | MouseEvent,
  on: { node?: NodeId; link?: number; frame?: number },
): void {
  event.preventDefault();
  const screen = { x: event.clientX, y: event.clientY };
  if (on.node && !useUi.getState().selection.has(on.node)) useUi.setState({ selection: new Set([on.node]) });
  useUi.setState({ menu: { screen, place: placeAt(screen), ...on } });
}
