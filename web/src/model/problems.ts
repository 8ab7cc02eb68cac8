import { type Graph, linksInto, type NodeId } from "./document";

/** Whether an edit gave the node something else: other values, other links, or another mode. */
export function givenAnew(before: Graph | undefined, after: Graph | undefined, id: NodeId): boolean {
  const [was, is] = [before?.nodes.get(id), after?.nodes.get(id)];
  if (!was || !is || !before || !after) return was !== is;
  if (was.values !== is.values || was.mode !== is.mode || was.type !== is.type) return true;
  const fed = (graph: Graph) => linksInto(graph, id).map(({ input, from, slot }) => `${input} ${from} ${slot}`);
  return fed(before).sort().join("\n") !== fed(after).sort().join("\n");
}

/** What a server has against one input of one node. Ours says it in a sentence too, which ComfyUI's does not. */
export interface Fault {
  readonly message: string;
  readonly details: string;
  readonly sentence?: string;
}

/** "Title (node 4), " or "Title (node 4): ", which a sentence about a node begins with. */
const ADDRESS = /^.*? \(node [^)]*\)[,:] /;

/** The fault as it stands in the node itself, where it need not say which node it is about. */
export function inPlace(fault: Fault): string {
  const sentence = faultSentence(fault).replace(ADDRESS, "");
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** The fault for a place that is not the node's own. */
export function faultSentence({ sentence, message, details }: Fault): string {
  return sentence || [message, details].filter(Boolean).join(": ");
}
