import type { NodeId } from "../model/document";
import { useUi } from "../store/ui";

/* A rectangle drawn with Shift adds to what is selected, with Alt takes from it. React Flow itself begins anew. */

interface Marquee {
  readonly base: ReadonlySet<NodeId>;
  readonly how: "add" | "take";
}

let marquee: Marquee | undefined;

export function beginMarquee(event: React.PointerEvent): void {
  const onPane = (event.target as Element).classList.contains("react-flow__pane");
  if (!onPane || event.button !== 0 || !(event.shiftKey || event.altKey)) return;
  marquee = { base: useUi.getState().selection, how: event.altKey ? "take" : "add" };
  window.addEventListener("pointerup", () => setTimeout(endMarquee), { once: true });
}

function endMarquee(): void {
  const { base, how } = marquee ?? {};
  marquee = undefined;
  if (!base || how !== "take") return;
  useUi.setState(({ selection }) => ({ selection: new Set([...base].filter((id) => !selection.has(id))) }));
}

/** The selection that comes of what React Flow would select. */
export function withMarquee(selection: ReadonlySet<NodeId>): ReadonlySet<NodeId> {
  return marquee?.how === "add" ? new Set([...marquee.base, ...selection]) : selection;
}
