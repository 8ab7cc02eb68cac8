import type { NodeChange } from "@xyflow/react";
import { type NodeId, withSubgraph } from "../model/document";
import { editFrame, extractNodes, insertSockets, moveNodes, type Point } from "../model/edits";
import { contentOf, shiftPart } from "../model/frames";
import { makeShake } from "../model/guides";
import { HEADER, inputHandle, outputHandle } from "../model/layout";
import { moveDots } from "../model/reroutes";
import { abandonGesture, currentGraph, type docOf, editDuring, endGesture } from "../store/docs";
import { theFlow } from "../store/focus";
import { useUi } from "../store/ui";
import { alignDrag, beginAligning, endAligning } from "./aligning";
import { type AnyNode, DOT, dotNumber, frameNumber, isFrameId } from "./derive";
import { insertInto } from "./gestures";
import { selectNodes } from "./selecting";

/* What is dragged goes where the pointer goes, with all that it carries: one step of undo. */

/** What goes on: Escape abandons a drag, though the hand still holds what it took. */
let drag: "on" | "abandoned" | undefined;

/** Gives up the drag that goes on, if one does. */
export function abandonDrag(): boolean {
  if (drag !== "on") return false;
  drag = "abandoned";
  endAligning();
  useUi.setState({ inserting: undefined });
  abandonGesture();
  return true;
}

export function applyChanges(changes: readonly NodeChange<AnyNode>[]): void {
  selectNodes(changes);
  if (drag === "abandoned") return;
  const asked = new Map<NodeId, Point>();
  const frames = new Map<number, Point>();
  const dots = new Map<number, Point>();
  let dragging = false;
  for (const change of changes) {
    if (change.type !== "position" || !change.position) continue;
    dragging ||= change.dragging === true;
    const point = { x: Math.round(change.position.x), y: Math.round(change.position.y) };
    const dot = dotNumber(change.id);
    if (isFrameId(change.id)) frames.set(frameNumber(change.id), point);
    else if (dot !== undefined) dots.set(dot, { x: point.x + DOT / 2, y: point.y + DOT / 2 });
    else asked.set(change.id, { x: point.x, y: point.y + HEADER });
  }
  const places = frames.size ? asked : alignDrag(asked);
  if (!places.size && !frames.size && !dots.size) return;
  editDuring("move", "move", (doc, at) => {
    let next = moveNodes(doc, at, places);
    next = moveEnds(next, at, places);
    if (dots.size) next = moveDots(next, at, dots);
    const moved = { nodes: new Set(places.keys()), frames: new Set(frames.keys()) };
    for (const [id, point] of frames) next = moveFrame(next, at, id, point, moved);
    return next;
  });
  if (!dragging) endGesture();
}

type Doc = ReturnType<typeof docOf>;

function moveEnds(doc: Doc, at: string, places: ReadonlyMap<NodeId, Point>): Doc {
  const definition = doc.subgraphs.get(at);
  if (!definition) return doc;
  let next = definition;
  for (const [id, point] of places) {
    const side = id === "-10" ? "inputNode" : id === "-20" ? "outputNode" : undefined;
    if (side) next = { ...next, [side]: { ...next[side], bounding: [point.x, point.y, 180, 100] } };
  }
  return next === definition ? doc : withSubgraph(doc, next);
}

/** What was in each frame when its drag began: nodes on the way must not be picked up. */
const carried = new Map<number, ReturnType<typeof contentOf>>();

interface Moved {
  readonly nodes: Set<NodeId>;
  readonly frames: Set<number>;
}

/** Moves a frame with what is in it and was not moved yet. */
function moveFrame(doc: Doc, at: string, id: number, to: Point, moved: Moved): Doc {
  const around = currentGraph();
  const frame = around.graph.frames.get(id);
  if (!frame) return doc;
  const inside = carried.get(id) ?? contentOf(frame, around);
  carried.set(id, inside);
  const rest = {
    nodes: new Set(inside.nodes.filter((one) => !moved.nodes.has(one))),
    frames: new Set(inside.frames.filter((one) => !moved.frames.has(one))),
  };
  for (const one of rest.nodes) moved.nodes.add(one);
  for (const one of rest.frames) moved.frames.add(one);
  const next = shiftPart(doc, at, rest, { x: to.x - frame.x, y: to.y - frame.y });
  return editFrame(next, at, id, to);
}

/** Dragging a lone node over a link offers to put it in. */
export function makeNodeDrag() {
  let shaken = makeShake();
  let lone: string | undefined;
  const mark = (inserting: ReturnType<typeof insertingAt>) => {
    if (inserting || useUi.getState().inserting) useUi.setState({ inserting });
  };
  return {
    start: (_event: unknown, node?: AnyNode | readonly AnyNode[], list?: readonly AnyNode[]) => {
      drag = "on";
      carried.clear();
      endGesture();
      const dragged = list ?? (Array.isArray(node) ? (node as readonly AnyNode[]) : []);
      beginAligning(new Set(dragged.map((one) => one.id)));
      shaken = makeShake();
    },
    move: (event: MouseEvent | TouchEvent | React.MouseEvent, node: AnyNode, list: readonly AnyNode[]) => {
      lone = drag === "on" && list.length === 1 && node.type === "card" ? node.id : undefined;
      if (lone === undefined || !("clientX" in event)) return;
      if (shaken(event.clientX, event.timeStamp)) takeOut(node.id);
      mark(insertingAt({ x: event.clientX, y: event.clientY }, node));
    },
    /** The pointer moves more often than a node that goes from line to line of the grid. */
    over: (point: Point) => {
      const node = lone === undefined || drag !== "on" ? undefined : theFlow()?.getNode(lone);
      if (node) mark(insertingAt(point, node as AnyNode));
    },
    stop: (_event: unknown, node?: unknown) => {
      lone = undefined;
      drag = undefined;
      endGesture();
      endAligning();
      carried.clear();
      const { inserting } = useUi.getState();
      mark(undefined);
      if (inserting && node) insertInto((node as AnyNode).id, inserting.link);
    },
  };
}

/** Shaking a node takes it out of the flow: part of the same step as the drag. */
function takeOut(id: NodeId): void {
  editDuring("move", "shake out", (doc, at) => extractNodes(doc, at, [id]));
}

/** The link under the pointer that takes the node, with the sockets that it would be led through. */
function insertingAt(point: Point, node: AnyNode) {
  const hit = document.elementsFromPoint(point.x, point.y).find((element) => element.closest(".react-flow__edge"));
  const id = hit?.closest(".react-flow__edge")?.getAttribute("data-id");
  if (!id || node.type !== "card") return undefined;
  const link = Number(id.slice(2));
  const sockets = insertSockets(currentGraph(), node.id, link);
  const socketAt = (handle: string) => {
    const found = node.data.layout.handles.find((one) => one.id === handle);
    return found && { x: node.position.x + found.x, y: node.position.y + found.y };
  };
  const into = sockets && socketAt(inputHandle(sockets.input));
  const out = sockets && socketAt(outputHandle(sockets.output));
  return into && out ? { link, into, out } : undefined;
}
