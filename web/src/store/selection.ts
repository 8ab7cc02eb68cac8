import type { Part } from "../model/clip";
import type { NodeId } from "../model/document";
import { withContent } from "../model/frames";
import { currentGraph } from "./docs";
import { useUi } from "./ui";

/** The nodes of the graph in view that are selected. */
export const chosen = (): readonly NodeId[] =>
  [...useUi.getState().selection].filter((id) => currentGraph().graph.nodes.has(id));

/** What is selected, with what lies in the frames among it. */
export function chosenPart(): Part {
  const { selection, frames } = useUi.getState();
  return withContent({ nodes: selection, frames }, currentGraph());
}
