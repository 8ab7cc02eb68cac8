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
