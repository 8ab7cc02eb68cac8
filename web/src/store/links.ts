import type { Edge } from "@xyflow/react";
import { type Ends, middleOf } from "../model/curves";
import { addReroute, disconnect, type Point } from "../model/edits";
import { HEADER } from "../model/layout";
import { edit } from "./docs";
import { placeAt, pointerAt, theFlow } from "./focus";
import { toast, useUi } from "./ui";

/* What is done to links as they are drawn. */

/** The number of the link that an edge of the canvas stands for. */
export const linkNumber = (edge: string) => Number(edge.slice("l:".length));

/** Where the ends of an edge are, both in view or not. */
export function endsOfEdge(edge: Pick<Edge, "source" | "sourceHandle" | "target" | "targetHandle">): Ends | undefined {
  const from = handleAt(edge.source, edge.sourceHandle);
  const to = handleAt(edge.target, edge.targetHandle);
  return from && to && { sourceX: from.x, sourceY: from.y, targetX: to.x, targetY: to.y };
}

function handleAt(id: string, handle: string | null | undefined): Point | undefined {
  const node = theFlow()?.getNode(id);
  const found = node?.handles?.find((one) => one.id === handle);
  return node && found && { x: node.position.x + found.x, y: node.position.y + found.y };
}

/** Puts a reroute into a link, with its middle at the place. */
export function rerouteAt(link: number, place: Point): void {
  edit("reroute", (doc, at) => addReroute(doc, at, link, { x: place.x - 24, y: place.y + HEADER - 12 })[0]);
}

/** Puts a reroute into the link that is pointed at, else into each that is selected. */
export function rerouteHere(): void {
  const pointer = pointerAt();
  const pointed = document
    .elementsFromPoint(pointer.x, pointer.y)
    .flatMap((element) => element.closest<HTMLElement>(".react-flow__edge")?.dataset.id ?? [])[0];
  if (pointed !== undefined) {
    rerouteAt(linkNumber(pointed), placeAt(pointer));
    return;
  }
  const { links } = useUi.getState();
  if (!links.size) toast("Point at a link to put a reroute into it.");
  const edges = theFlow()?.getEdges() ?? [];
  for (const edge of edges.filter((one) => links.has(linkNumber(one.id)))) {
    const ends = endsOfEdge(edge);
    if (ends) rerouteAt(linkNumber(edge.id), middleOf(ends, []));
  }
}

export const cutLinks = (links: readonly number[]) =>
  edit(links.length === 1 ? "disconnect" : `cut ${links.length} links`, (doc, at) => disconnect(doc, at, links));
