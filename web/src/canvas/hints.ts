import { linkInto, linksOutOf, type NodeId } from "../model/document";
import { inputHandle, outputHandle } from "../model/layout";
import { placedNode } from "../model/shape";
import { fits } from "../model/types";
import { currentGraph } from "../store/docs";
import { useUi } from "../store/ui";
import { landingInput } from "./gestures";

/* What pointing at something tells: one rule of CSS, so that nothing is drawn anew. */

/** Of a socket pointed at, its links; of a node that a link is dragged over, the socket that would take it. */
export function hintAt(target: Element): void {
  const { linking, hint } = useUi.getState();
  const next = linking ? landingHint(target) : socketHint(target);
  if (next !== hint) useUi.setState({ hint: next });
}

function socketHint(target: Element): string | undefined {
  const socket = target.closest<HTMLElement>(".react-flow__handle");
  const { nodeid, handleid } = socket?.dataset ?? {};
  if (!nodeid || !handleid) return undefined;
  const { graph } = currentGraph();
  const name = handleid.slice(2);
  const links = handleid.startsWith("i:")
    ? [linkInto(graph, nodeid, name)].flatMap((link) => link ?? [])
    : linksOutOf(graph, nodeid).filter((link) => link.slot === Number(name));
  if (!links.length) return undefined;
  const mine = links.map((link) => `[data-id="l:${link.id}"]`).join(",");
  return `.react-flow__edge:not(${mine}){opacity:.2}`;
}

function landingHint(target: Element): string | undefined {
  const { linking } = useUi.getState();
  const id = target.closest<HTMLElement>(".react-flow__node-card")?.dataset.id;
  if (!linking || !id || id === linking.node || target.closest(".react-flow__handle")) return undefined;
  const handle = landing(id, linking);
  if (handle === undefined) return undefined;
  const socket = `.react-flow__handle[data-nodeid="${CSS.escape(id)}"][data-handleid="${CSS.escape(handle)}"]`;
  return `${socket}{--grow:1.9!important;outline:2px solid var(--accent);outline-offset:2px}`;
}

function landing(id: NodeId, linking: NonNullable<ReturnType<typeof useUi.getState>["linking"]>): string | undefined {
  const around = currentGraph();
  const node = placedNode(around, around.at, id);
  if (!node) return undefined;
  if (linking.side === "out") {
    const input = landingInput(node, linking.type);
    return input === undefined ? undefined : inputHandle(input);
  }
  const slot = node.shape.outputs.findIndex((one) => fits(one.type, linking.type));
  return slot < 0 ? undefined : outputHandle(slot);
}
