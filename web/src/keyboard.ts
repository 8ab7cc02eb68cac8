import { useEffect } from "react";
import { abandonDrag } from "./canvas/moving";
import { stopLinking } from "./canvas/tapping";
import { boxOf } from "./model/edits";
import { hiddenIn } from "./model/frames";
import { abandonGesture, activeTab, currentGraph } from "./store/docs";
import { useExec } from "./store/exec";
import { goToNode } from "./store/focus";
import { commandFor } from "./store/keys";
import { cancel } from "./store/run";
import { select, toast, useUi } from "./store/ui";

const TWICE_MS = 600;

/** The keys of the whole page. What is typed in fields never gets here as a command. */
export function useKeyboard(): void {
  useEffect(() => {
    let escapedAt = 0;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isOverlay()) return;
      const target = event.target as HTMLElement;
      const field = /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable;
      if (field && !isForAll(event)) return;
      if (event.key === "Escape") {
        // When it was pressed, which on a busy machine is a while before now.
        const now = event.timeStamp;
        if (now - escapedAt < TWICE_MS && useExec.getState().current) void cancel();
        escapedAt = now;
        leave(target);
        return;
      }
      if (walk(event, target)) return;
      if (inWidget(target, event)) return;
      const command = commandFor(event);
      if (!command) return;
      event.preventDefault();
      command.run();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

/** Also what is typed in a field does these. */
const isForAll = ({ key, ctrlKey, metaKey }: KeyboardEvent) =>
  /^F\d+$/.test(key) || ((ctrlKey || metaKey) && /^(Enter|s|k)$/i.test(key));

function isOverlay(): boolean {
  return document.querySelector("[role=dialog][data-state=open], [role=menu][data-state=open]") !== null;
}

/** Tab and plain letters mean the usual in the bars, the panels and a node's fields; on the canvas they are commands. */
function inWidget(target: HTMLElement, event: KeyboardEvent): boolean {
  const mod = event.ctrlKey || event.metaKey;
  if (mod) return false;
  if (event.key === "Tab")
    return target !== document.body && (target.closest(".row") !== null || !target.closest(".canvas"));
  return (
    target.closest("[role=tree], [role=listbox], [role=spinbutton], [role=slider]") !== null &&
    /^(Arrow|Enter|Home|End| )/.test(event.key)
  );
}

function leave(target: HTMLElement): void {
  if (stopLinking() || abandonDrag()) return;
  abandonGesture();
  const card = target.closest<HTMLElement>(".react-flow__node");
  if (card && card !== target) {
    card.focus();
    return;
  }
  select([]);
  useUi.setState({ search: undefined });
}

const DIRECTIONS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Arrows go to the nearest node that way; Enter goes into its widgets; C begins a link by name. */
function walk(event: KeyboardEvent, target: HTMLElement): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
  const way = DIRECTIONS[event.key];
  const { selection } = useUi.getState();
  const [only] = selection;
  const onCanvas = target === document.body || target.closest(".canvas") !== null;
  if (!onCanvas || target.closest(".row")) return false;
  if (way) {
    event.preventDefault();
    const next = nearest(only, way);
    if (next) goToNode([...activeTab().view, next].join(":"));
    return true;
  }
  if (event.key === "Enter" && only) {
    const card = document.querySelector(`.react-flow__node[data-id="${CSS.escape(only)}"]`);
    const field = card?.querySelector<HTMLElement>(
      "textarea, input, button:not([tabindex='-1']), [tabindex='0']:not(.react-flow__node)",
    );
    if (!field) return false;
    event.preventDefault();
    field.focus();
    return true;
  }
  if (event.key.toLowerCase() === "c" && only) {
    event.preventDefault();
    if (selection.size === 1) useUi.setState({ naming: only });
    else toast("Select one node to link it by name.");
    return true;
  }
  return false;
}

function nearest(from: string | undefined, [x, y]: readonly [number, number]): string | undefined {
  const around = currentGraph();
  const start = from === undefined ? undefined : around.graph.nodes.get(from);
  if (!start) return around.graph.nodes.keys().next().value;
  const middle = (id: string) => {
    const node = around.graph.nodes.get(id);
    const box = node && boxOf(node, around);
    return box ? { x: box.x + box.width / 2, y: box.y + box.height / 2 } : { x: 0, y: 0 };
  };
  const here = middle(start.id);
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  const hidden = hiddenIn(around.graph).nodes;
  for (const id of around.graph.nodes.keys()) {
    if (id === start.id || hidden.has(id)) continue;
    const there = middle(id);
    const along = (there.x - here.x) * x + (there.y - here.y) * y;
    const aside = Math.abs((there.x - here.x) * y) + Math.abs((there.y - here.y) * x);
    if (along <= 8) continue;
    const cost = along + 2 * aside;
    if (cost < least) [best, least] = [id, cost];
  }
  return best;
}
