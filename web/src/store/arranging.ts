import { type Align, align } from "../model/arrange";
import type { NodeId } from "../model/document";
import { addFrame, bounds, boxOf, moveNodes } from "../model/edits";
import { frameBox, hiddenIn } from "../model/frames";
import { applyTidied, frameAround, tidy } from "../model/tidy";
import { currentGraph, edit } from "./docs";
import { fitView, motion, placeHere } from "./focus";
import { chosen, chosenPart } from "./selection";
import { useUi } from "./ui";

/** Tidies the selected nodes, or all, with their frames. */
export function layOut(): void {
  const around = currentGraph();
  const ids = chosen();
  const only = new Set(ids.length > 1 ? ids : around.graph.nodes.keys());
  edit("tidy up", (doc, at) => applyTidied(doc, at, tidy(around, only)));
  animateMoves();
  if (ids.length > 1) return;
  if (motion()) setTimeout(() => fitView(), motion());
  else fitView();
}

function animateMoves(): void {
  const canvas = document.querySelector(".canvas");
  canvas?.classList.add("moving");
  setTimeout(() => canvas?.classList.remove("moving"), motion(240));
}

function boxesOf(ids: Iterable<NodeId>) {
  const around = currentGraph();
  return [...ids].flatMap((id) => {
    const node = around.graph.nodes.get(id);
    return node ? [{ id, ...boxOf(node, around) }] : [];
  });
}

export function alignChosen(how: Align): void {
  const boxes = boxesOf(chosen());
  if (boxes.length > 1) edit("align", (doc, at) => moveNodes(doc, at, align(boxes, how)));
}

/** Puts a frame around what is selected, frames too, or one to be filled where one looks. */
export function frameChosen(): void {
  const { graph } = currentGraph();
  const part = chosenPart();
  const hidden = hiddenIn(graph).nodes;
  const frames = [...part.frames].flatMap((id) => graph.frames.get(id) ?? []);
  const box = bounds([...boxesOf([...part.nodes].filter((id) => !hidden.has(id))), ...frames.map(frameBox)]);
  const here = placeHere().place;
  const outer = box ? frameAround(box) : { x: here.x, y: here.y, width: 480, height: 320 };
  edit("frame", (doc, at) => {
    const [next, id] = addFrame(doc, at, outer, "Frame");
    useUi.setState({ renamingFrame: id });
    return next;
  });
}
