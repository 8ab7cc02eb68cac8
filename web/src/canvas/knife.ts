import { crosses, pointsAlong } from "../model/curves";
import type { Point } from "../model/edits";
import { placeAt, theFlow } from "../store/focus";
import { cutLinks, endsOfEdge, linkNumber } from "../store/links";
import { useUi } from "../store/ui";
import type { LinkEdge } from "./derive";

/* Ctrl and the right button draw a stroke: what it crosses is cut, in one step of undo. */

/** Of two points nearer to each other on the screen, one is enough. */
const STEP = 4;

export function beginKnife(event: React.PointerEvent): boolean {
  if (event.button !== 2 || !(event.ctrlKey || event.metaKey)) return false;
  event.preventDefault();
  event.stopPropagation();
  const stop = new AbortController();
  const { signal } = stop;
  const screen: Point[] = [{ x: event.clientX, y: event.clientY }];
  const stroke: Point[] = screen.map(placeAt);
  const end = (cut: boolean) => {
    stop.abort();
    swallowMenu();
    useUi.setState({ knife: undefined, hint: undefined });
    const links = crossed(stroke);
    if (cut && links.length) cutLinks(links);
  };
  const draw = ({ clientX: x, clientY: y }: PointerEvent) => {
    const last = screen[screen.length - 1] as Point;
    if (Math.hypot(x - last.x, y - last.y) < STEP) return;
    screen.push({ x, y });
    stroke.push(placeAt({ x, y }));
    const links = crossed(stroke).map((id) => `[data-id="l:${id}"]`);
    useUi.setState({
      knife: [...stroke],
      hint: links.length ? `.react-flow__edge:is(${links}) .react-flow__edge-path{${DOOMED}}` : undefined,
    });
  };
  window.addEventListener("pointermove", draw, { signal });
  window.addEventListener("pointerup", () => end(true), { signal });
  window.addEventListener("pointercancel", () => end(false), { signal });
  window.addEventListener("contextmenu", prevent, { signal, capture: true });
  window.addEventListener(
    "keydown",
    (key) => {
      if (key.key === "Escape") end(false);
    },
    { signal, capture: true },
  );
  return true;
}

const DOOMED = "stroke-dasharray:3 5;stroke-opacity:.5";

function crossed(stroke: readonly Point[]): readonly number[] {
  const { straight } = useUi.getState();
  const edges = (theFlow()?.getEdges() ?? []) as unknown as readonly LinkEdge[];
  return edges.flatMap((edge) => {
    const ends = edge.hidden ? undefined : endsOfEdge(edge);
    return ends && crosses(stroke, pointsAlong(ends, edge.data?.via ?? [], straight)) ? [linkNumber(edge.id)] : [];
  });
}

function prevent(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}

/** Some systems open the menu when the button goes down, others when it comes up, right after this. */
function swallowMenu(): void {
  window.addEventListener("contextmenu", prevent, { capture: true, once: true });
  setTimeout(() => window.removeEventListener("contextmenu", prevent, { capture: true }));
}
