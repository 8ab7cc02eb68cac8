import type { NodeId } from "../model/document";
import type { Box, Point } from "../model/edits";
import { framesWithin } from "../model/frames";
import { currentGraph } from "../store/docs";
import { placeAt } from "../store/focus";
import { useUi } from "../store/ui";

/*
 * A rectangle drawn with Shift adds to what is selected, with Alt takes from it: React Flow itself begins anew. It
 * takes nodes that it touches, but frames only whole: one is drawn inside them as often as around.
 */

interface Marquee {
  readonly nodes: ReadonlySet<NodeId>;
  readonly frames: ReadonlySet<number>;
  readonly how: "anew" | "add" | "take";
  readonly from: Point;
}

let marquee: Marquee | undefined;

export const drawsMarquee = () => marquee !== undefined;

export function beginMarquee(event: React.PointerEvent): void {
  const onPane = (event.target as Element).classList.contains("react-flow__pane");
  if (!onPane || event.button !== 0 || event.pointerType === "touch") return;
  const { selection, frames } = useUi.getState();
  const how = event.altKey ? "take" : event.shiftKey ? "add" : "anew";
  const from = placeAt({ x: event.clientX, y: event.clientY });
  marquee = { nodes: selection, frames: how === "anew" ? new Set() : frames, how, from };
  const stop = new AbortController();
  window.addEventListener("pointermove", (move) => takeFrames(move), { signal: stop.signal });
  window.addEventListener(
    "pointerup",
    (up) => {
      stop.abort();
      takeFrames(up);
      setTimeout(endMarquee);
    },
    { once: true },
  );
}

function takeFrames({ clientX, clientY }: PointerEvent): void {
  if (!marquee) return;
  const inside = framesWithin(boxBetween(marquee.from, placeAt({ x: clientX, y: clientY })), currentGraph().graph);
  const frames =
    marquee.how === "take"
      ? [...marquee.frames].filter((id) => !inside.includes(id))
      : [...new Set([...marquee.frames, ...inside])];
  if (frames.join() !== [...useUi.getState().frames].join()) useUi.setState({ frames: new Set(frames) });
}

const boxBetween = (a: Point, b: Point): Box => ({
  x: Math.min(a.x, b.x),
  y: Math.min(a.y, b.y),
  width: Math.abs(a.x - b.x),
  height: Math.abs(a.y - b.y),
});

function endMarquee(): void {
  const { nodes, how } = marquee ?? {};
  marquee = undefined;
  if (!nodes || how !== "take") return;
  useUi.setState(({ selection }) => ({ selection: new Set([...nodes].filter((id) => !selection.has(id))) }));
}

/** The selection that comes of what React Flow would select. */
export function withMarquee(selection: ReadonlySet<NodeId>): ReadonlySet<NodeId> {
  return marquee?.how === "add" ? new Set([...marquee.nodes, ...selection]) : selection;
}
