/* Nodes that live in the editor only: no server knows of them, and none is missing for them. */

export const REROUTE = "Reroute";
export const PRIMITIVE = "PrimitiveNode";
/** A pack's pair that leads a link through a name instead of a line. */
export const GETTER = "GetNode";
export const SETTER = "SetNode";

export const NOTES: Readonly<Record<string, string>> = { Note: "Note", MarkdownNote: "Markdown note" };

/** Switches, labels and bookmarks of packs, and what sends a value to every input that fits. */
const OTHERS = [
  "Reroute (rgthree)",
  "Label (rgthree)",
  "Bookmark (rgthree)",
  "Node Collector (rgthree)",
  "Fast Muter (rgthree)",
  "Fast Bypasser (rgthree)",
  "Fast Groups Muter (rgthree)",
  "Fast Groups Bypasser (rgthree)",
  "Fast Actions Button (rgthree)",
  "Mute / Bypass Relay (rgthree)",
  "Mute / Bypass Repeater (rgthree)",
  "Random Unmuter (rgthree)",
  "Anything Everywhere",
  "Anything Everywhere3",
  "Anything Everywhere?",
  "Prompts Everywhere",
  "Seed Everywhere",
];

const VIRTUAL = new Set([REROUTE, PRIMITIVE, GETTER, SETTER, ...Object.keys(NOTES), ...OTHERS]);

export const isNote = (type: string): boolean => Object.hasOwn(NOTES, type);

/** Whether a node is resolved before the graph is sent. */
export const isVirtual = (type: string): boolean => VIRTUAL.has(type);

/** Whether what leaves the node is what enters it. */
export const leadsOn = (type: string): boolean => type === REROUTE || type === "Reroute (rgthree)" || type === SETTER;

/** Whether the node holds a value for the inputs it feeds. */
export const holdsValue = (type: string): boolean => type === PRIMITIVE || type === "Seed Everywhere";
