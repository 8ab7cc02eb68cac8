import type { MouseEvent } from "react";
import { linkInto, type NodeId } from "../model/document";
import { addNode, connect, disconnect, insertOnLink } from "../model/edits";
import { inputHandle, outputHandle } from "../model/layout";
import { addPort } from "../model/ports";
import { NEW_PORT, type Placed, placedNode } from "../model/shape";
import { fits, isAny, mayLink, type Verdict } from "../model/types";
import { currentGraph, edit, newId } from "../store/docs";
import { useLibrary } from "../store/library";
import { type Linking, toast } from "../store/ui";

export interface LinkEnds {
  readonly from: NodeId;
  readonly slot: number;
  readonly to: NodeId;
  readonly input: string;
}

export function endsOf(
  one: Pick<Linking, "node" | "handle" | "side">,
  other: { readonly node: NodeId; readonly handle: string },
): LinkEnds {
  const [source, target] = one.side === "out" ? [one, other] : [other, one];
  return { from: source.node, slot: Number(source.handle.slice(2)), to: target.node, input: target.handle.slice(2) };
}

const place = (id: NodeId): Placed | undefined => {
  const around = currentGraph();
  return placedNode(around, around.at, id);
};

export function verdict(ends: LinkEnds): Verdict {
  const { graph } = currentGraph();
  const from = place(ends.from);
  const to = place(ends.to);
  if (!from || !to) return { ok: false, reason: "That node is no longer there." };
  const newPort = ends.input === NEW_PORT || from.shape.outputs[ends.slot]?.name === NEW_PORT;
  if (newPort && from.shape.kind === "ends" && to.shape.kind === "ends")
    return { ok: false, reason: "Link a node to it." };
  return mayLink({ graph, from, slot: ends.slot, to, input: ends.input }, useLibrary.getState().catalogue);
}

/** Makes the link, or says why not and offers what would help. `moved` is the link whose end was taken. */
export function link(ends: LinkEnds, moved?: number): boolean {
  const judged = verdict(ends);
  if (!judged.ok) {
    refuse(ends, judged);
    return false;
  }
  const from = place(ends.from) as Placed;
  const to = place(ends.to) as Placed;
  const type = from.shape.outputs[ends.slot]?.type ?? "*";
  edit(`connect ${to.node.title || to.shape.title}`, (doc, at) => {
    const base = moved === undefined ? doc : disconnect(doc, at, [moved]);
    if (ends.input === NEW_PORT && to.shape.kind === "ends") {
      const name = from.shape.outputs[ends.slot]?.name ?? type;
      return addPort(base, at, "out", { node: ends.from, slot: ends.slot, type, name }, newId());
    }
    if (from.shape.kind === "ends" && from.shape.outputs[ends.slot]?.name === NEW_PORT) {
      const input = to.shape.inputs.find((one) => one.name === ends.input);
      return addPort(
        base,
        at,
        "in",
        { node: ends.to, input: ends.input, type: input?.type ?? "*", name: ends.input },
        newId(),
      );
    }
    return connect(base, at, { ...ends, type: isAny(type) ? inputType(to, ends.input) : type });
  });
  return true;
}

function inputType(to: Placed, name: string): string {
  return to.shape.inputs.find((one) => one.name === name)?.type ?? "*";
}

function refuse(ends: LinkEnds, judged: Extract<Verdict, { ok: false }>): void {
  const { catalogue } = useLibrary.getState();
  const bridge = judged.bridge ? catalogue.get(judged.bridge) : undefined;
  const action = bridge && { label: `Add ${bridge.title}`, run: () => bridgeOver(ends, bridge.type) };
  toast(judged.reason, "error", action);
}

function bridgeOver(ends: LinkEnds, type: string): void {
  const { catalogue } = useLibrary.getState();
  const schema = catalogue.get(type);
  const from = place(ends.from);
  const to = place(ends.to);
  const given = from?.shape.outputs[ends.slot]?.type;
  const wanted = to?.shape.inputs.find((one) => one.name === ends.input)?.type;
  if (!schema || !from || !to || !given || !wanted) return;
  const input = schema.sockets.find((one) => fits(given, one.type));
  const slot = schema.outputs.findIndex((one) => fits(one.type, wanted));
  if (!input || slot < 0) return;
  edit(`add ${schema.title}`, (doc, at) => {
    const middle = {
      x: Math.round((from.node.x + to.node.x) / 2),
      y: Math.round(Math.max(from.node.y, to.node.y) + 80),
    };
    const [added, id] = addNode(doc, at, type, middle);
    const first = connect(added, at, { from: ends.from, slot: ends.slot, to: id, input: input.name, type: given });
    return connect(first, at, {
      from: id,
      slot,
      to: ends.to,
      input: ends.input,
      type: schema.outputs[slot]?.type ?? wanted,
    });
  });
}

/**
 * The input that takes the type when a link is dropped on the node: the first that is free, sockets before widgets; where
 * none is free, the first socket, whose link is replaced.
 */
export function landingInput(target: Placed, type: string): string | undefined {
  const { graph } = currentGraph();
  const fitting = target.shape.inputs.filter((one) => fits(type, one.type));
  const free = fitting.filter((one) => !linkInto(graph, target.node.id, one.name));
  const exact = free.filter((one) => !isAny(one.type));
  const best = exact.find((one) => !one.widget) ?? free.find((one) => !one.widget) ?? exact[0];
  return (best ?? fitting.find((one) => !one.widget))?.name;
}

/** Links to the best socket of a node that a link was dropped on. */
export function linkToBody(linking: Linking, id: NodeId): boolean {
  const target = place(id);
  if (!target || id === linking.node) return false;
  if (linking.side === "out") {
    const input = landingInput(target, linking.type);
    return input !== undefined && link({ ...endsOf(linking, { node: id, handle: inputHandle(input) }) }, linking.moved);
  }
  const slot = target.shape.outputs.findIndex((one) => fits(one.type, linking.type));
  return slot >= 0 && link(endsOf(linking, { node: id, handle: outputHandle(slot) }), linking.moved);
}

/** Taking hold of an input that is linked takes the link's end: the drag goes on from the node that feeds it. */
export function grabInput(event: MouseEvent, node: NodeId, handle: string): void {
  if (event.button !== 0 || event.nativeEvent.detail === SYNTHETIC) return;
  const { graph } = currentGraph();
  const known = linkInto(graph, node, handle.slice(2));
  if (!known) return;
  const selector = `.react-flow__node[data-id="${CSS.escape(known.from)}"] .react-flow__handle[data-handleid="${CSS.escape(outputHandle(known.slot))}"]`;
  const source = document.querySelector(selector);
  if (!source) return;
  event.stopPropagation();
  event.preventDefault();
  taken = known.id;
  window.addEventListener("mouseup", () => setTimeout(forgetTaken), { once: true });
  const { clientX, clientY } = event;
  source.dispatchEvent(
    new window.MouseEvent("mousedown", {
      bubbles: true,
      cancelable: true,
      clientX,
      clientY,
      button: 0,
      view: window,
      detail: SYNTHETIC,
    }),
  );
}

const SYNTHETIC = 77;
let taken: number | undefined;
/** A click takes nothing: the next drag must not think that it did. */
const forgetTaken = () => {
  taken = undefined;
};

/** The link whose end the drag that begins now has taken, asked for once. */
export function takeMoved(): number | undefined {
  const moved = taken;
  taken = undefined;
  return moved;
}

export function dropLink(moved: number): void {
  edit("disconnect", (doc, at) => disconnect(doc, at, [moved]));
}

export function insertInto(node: NodeId, linkId: number): void {
  const { catalogue } = useLibrary.getState();
  edit("insert on link", (doc, at) => insertOnLink(doc, at, node, linkId, catalogue));
}

/** The rules that light up the socket one links from and all that fit it; the others are dimmed. */
export function linkingStyle(linking: Linking, types: Iterable<string>): string {
  const side = linking.side === "out" ? "in" : "out";
  const ok = [...new Set(types)].filter((type) =>
    side === "in" ? fits(linking.type, type) : fits(type, linking.type),
  );
  const good = ok.map((type) => `.socket[data-side="${side}"][data-type="${CSS.escape(type)}"]`).join(",");
  const own = `.socket[data-nodeid="${CSS.escape(linking.node)}"][data-handleid="${CSS.escape(linking.handle)}"]`;
  const lit = good && `:is(${good}){opacity:1!important;--grow:1.35}:is(${good}) i{${GLOW}}`;
  return `${own}{opacity:1!important}${lit}`;
}

const GLOW = "filter:drop-shadow(0 0 4px currentColor)";
