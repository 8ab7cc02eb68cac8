import type { NodeId } from "../model/document";
import { type Box, bounds, boxOf, type Point } from "../model/edits";
import { type Aligned, align } from "../model/guides";
import { HEADER } from "../model/layout";
import { currentGraph } from "../store/docs";
import { theFlow } from "../store/focus";
import { useUi } from "../store/ui";

/** How near on the screen a line must be to be snapped to. */
const REACH = 6;
/** From further away, everything would lie along something. */
const LEAST_ZOOM = 0.3;

interface Drag {
  readonly own: ReadonlyMap<NodeId, Box>;
  readonly others: readonly Box[];
}

let drag: Drag | undefined;

/** Begins a drag of nodes: what else is in view gives the lines. */
export function beginAligning(ids: ReadonlySet<NodeId>): void {
  const flow = theFlow();
  const canvas = document.querySelector(".canvas")?.getBoundingClientRect();
  if (!flow || !canvas || flow.getZoom() < LEAST_ZOOM) return;
  const from = flow.screenToFlowPosition({ x: canvas.left, y: canvas.top });
  const to = flow.screenToFlowPosition({ x: canvas.right, y: canvas.bottom });
  const own = new Map<NodeId, Box>();
  const others: Box[] = [];
  const around = currentGraph();
  for (const node of around.graph.nodes.values()) {
    const mine = ids.has(node.id);
    if (!mine && (node.x > to.x || node.y > to.y || node.x < from.x - 600 || node.y < from.y - 600)) continue;
    const box = boxOf(node, around);
    if (mine) own.set(node.id, box);
    else if (box.x + box.width >= from.x && box.y + box.height >= from.y) others.push(box);
  }
  drag = own.size ? { own, others } : undefined;
}

/** The places, shifted onto the nearest lines; Alt leaves them as they are. */
export function alignDrag(places: ReadonlyMap<NodeId, Point>): ReadonlyMap<NodeId, Point> {
  const { free } = useUi.getState();
  if (!drag || free) {
    showLines(NO_LINES);
    return places;
  }
  const boxes = [...places].flatMap(([id, { x, y }]) => {
    const box = drag?.own.get(id);
    return box ? [{ ...box, x, y: y - HEADER }] : [];
  });
  const whole = bounds(boxes);
  if (!whole) return places;
  const { shift, ...lines } = align(whole, drag.others, REACH / (theFlow()?.getZoom() ?? 1));
  showLines(lines);
  if (!shift.x && !shift.y) return places;
  return new Map([...places].map(([id, { x, y }]) => [id, { x: x + shift.x, y: y + shift.y }]));
}

export function endAligning(): void {
  drag = undefined;
  showLines(NO_LINES);
}

type Lines = Pick<Aligned, "guides" | "spacings">;

const NO_LINES: Lines = { guides: [], spacings: [] };

function showLines({ guides, spacings }: Lines): void {
  const now = useUi.getState();
  if (guides.length || spacings.length || now.guides.length || now.spacings.length)
    useUi.setState({ guides, spacings });
}
