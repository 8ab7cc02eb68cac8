import { type Graph, type GraphNode, type Link, reaches } from "./document";
import type { Catalogue } from "./schema";
import type { Placed } from "./shape";

/** Whether what leaves a socket of type `from` may enter one of type `to`. */
export function fits(from: string, to: string): boolean {
  if (isAny(from) || isAny(to)) return true;
  const a = from.toUpperCase().split(",");
  const b = to.toUpperCase().split(",");
  return a.some((one) => b.includes(one.trim()));
}

export function isAny(type: string): boolean {
  return type === "*" || type === "" || type === "0";
}

/** The type that an input wants of what its link brings; one that takes anything wants what the file says, or the link. */
export function wantedType(
  node: GraphNode,
  input: { readonly name: string; readonly type: string },
  link: Link,
): string {
  if (!isAny(input.type)) return input.type;
  const slot = node.inputs.find((one) => one.name === input.name);
  return slot && fits(slot.type, link.type) ? slot.type : link.type;
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly bridge?: string };

export interface Joint {
  readonly graph: Graph;
  readonly from: Placed;
  readonly slot: number;
  readonly to: Placed;
  readonly input: string;
}

/** Whether the link may be made, and if not why, in a sentence for the person who tried. */
export function mayLink(joint: Joint, catalogue: Catalogue): Verdict {
  const { graph, from, slot, to, input } = joint;
  if (from.node.id === to.node.id) return { ok: false, reason: "A node cannot feed itself." };
  const output = from.shape.outputs[slot];
  const target = to.shape.inputs.find((one) => one.name === input);
  if (!output || !target) return { ok: false, reason: "That socket is no longer there." };
  if (!fits(output.type, target.type)) {
    const bridge = bridgeBetween(output.type, target.type, catalogue);
    const reason = `${output.type} cannot feed ${target.label} (${target.type}).`;
    return bridge ? { ok: false, reason, bridge } : { ok: false, reason };
  }
  if (reaches(graph, to.node.id, from.node.id))
    return { ok: false, reason: `${to.shape.title} already feeds ${from.shape.title}: that would be a circle.` };
  return { ok: true };
}

/** The class that turns one type into another with the fewest other inputs: "add VAE Decode?". */
export function bridgeBetween(from: string, to: string, catalogue: Catalogue): string | undefined {
  const cost = (type: string) => {
    const schema = catalogue.get(type);
    return schema ? schema.sockets.length * 10 + schema.widgets.length : 999;
  };
  return [...catalogue.values()]
    .filter((one) => !one.deprecated && !one.experimental)
    .filter((one) => one.sockets.some((socket) => !isAny(socket.type) && fits(from, socket.type)))
    .filter((one) => one.outputs[0] && !isAny(one.outputs[0].type) && fits(one.outputs[0].type, to))
    .map((one) => one.type)
    .sort((a, b) => cost(a) - cost(b))[0];
}

export type SocketForm = "circle" | "square" | "diamond" | "triangle" | "bar";

const FORMS: Readonly<Record<string, SocketForm>> = {
  MODEL: "triangle",
  CLIP: "triangle",
  VAE: "triangle",
  CONTROL_NET: "triangle",
  CLIP_VISION: "triangle",
  STYLE_MODEL: "triangle",
  UPSCALE_MODEL: "triangle",
  CONDITIONING: "diamond",
  IMAGE: "square",
  MASK: "square",
  INT: "bar",
  FLOAT: "bar",
  STRING: "bar",
  BOOLEAN: "bar",
  COMBO: "bar",
};

export function socketForm(type: string): SocketForm {
  return FORMS[type] ?? "circle";
}

const COLOURED = new Set([...Object.keys(FORMS), "LATENT", "SAMPLER", "SIGMAS", "NOISE", "GUIDER"]);

/** The colour of a type as CSS: a token where it has one, else a hue made from its name. */
export function socketColour(type: string): string {
  if (isAny(type)) return "var(--t-any)";
  const first = (type.split(",")[0] ?? type).toUpperCase();
  if (COLOURED.has(first)) return `var(--t-${first})`;
  let hash = 7;
  for (const letter of first) hash = (hash * 31 + letter.charCodeAt(0)) % 360;
  return `oklch(var(--t-lightness) 0.11 ${hash})`;
}
