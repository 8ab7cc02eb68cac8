import { type RefObject, useLayoutEffect, useRef, useState } from "react";
import { reordered } from "../model/queue";

interface Reordering {
  /** The list whose children with `data-sort` are put in order. */
  readonly list: RefObject<HTMLDivElement | null>;
  /** The order to show: while something is dragged, as it would be. */
  readonly order: readonly string[];
  readonly dragged?: string;
  /** What a screen reader is told of the last move. */
  readonly said: string;
  readonly handle: (id: string) => {
    readonly "data-handle": string;
    readonly onPointerDown: (event: React.PointerEvent) => void;
  };
  /** Alt with up or down moves it; on the handle itself the arrows alone do. */
  readonly keys: (id: string) => (event: React.KeyboardEvent) => void;
}

/** A list to put in order by dragging a handle, or by keys. `move` is told what goes where, and before which. */
export function useReorder(
  ids: readonly string[],
  move: (id: string, to: number, before: string | undefined) => Promise<unknown> | undefined,
): Reordering {
  const list = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<readonly string[]>();
  const [dragged, setDragged] = useState<string>();
  const [said, setSaid] = useState("");
  const focused = useRef<string>(undefined);
  const moves = useRef(0);
  const order = shown ?? ids;
  useLayoutEffect(() => {
    if (focused.current === undefined) return;
    // An element that is put elsewhere in the document loses the focus.
    const handle = list.current?.querySelector<HTMLElement>(`[data-handle="${CSS.escape(focused.current)}"]`);
    if (handle && document.activeElement !== handle) handle.focus();
  }, [order]);
  const settle = async (id: string, next: readonly string[]) => {
    const to = next.indexOf(id);
    const turn = ++moves.current;
    setShown(next);
    setSaid(`Moved to place ${to + 1} of ${next.length}.`);
    await move(id, to, next[to + 1]);
    if (turn !== moves.current) return;
    setShown(undefined);
    requestAnimationFrame(() => {
      focused.current = undefined;
    });
  };
  const drag = (id: string) => (event: React.PointerEvent) => {
    if (event.button !== 0) return;
    event.preventDefault();
    focused.current = undefined;
    setDragged(id);
    // What is seen is what the hand moves in, also while the moves before it are on their way.
    const from = order;
    moves.current++;
    let latest = from;
    // The handle moves about in the document, and would lose a capture of the pointer.
    const follow = ({ clientY }: PointerEvent) => {
      const others = [...(list.current?.querySelectorAll<HTMLElement>("[data-sort]") ?? [])].filter(
        (one) => one.dataset.sort !== id,
      );
      const to = others.filter((one) => middleOf(one) < clientY).length;
      latest = reordered(from, from.indexOf(id), to);
      setShown(latest);
    };
    const end = () => {
      window.removeEventListener("pointermove", follow);
      window.removeEventListener("pointerup", drop);
      window.removeEventListener("pointercancel", leave);
      window.removeEventListener("keydown", giveUp, true);
      setDragged(undefined);
    };
    const drop = () => {
      end();
      if (latest.indexOf(id) !== from.indexOf(id)) void settle(id, latest);
      else setShown(undefined);
    };
    const leave = () => {
      end();
      setShown(undefined);
    };
    const giveUp = (press: KeyboardEvent) => {
      if (press.key !== "Escape") return;
      press.stopPropagation();
      leave();
    };
    window.addEventListener("pointermove", follow);
    window.addEventListener("pointerup", drop);
    window.addEventListener("pointercancel", leave);
    window.addEventListener("keydown", giveUp, true);
  };
  const keys = (id: string) => (event: React.KeyboardEvent) => {
    const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    const onHandle = (event.target as HTMLElement).closest("[data-handle]") !== null;
    if (!by || event.ctrlKey || event.metaKey || event.shiftKey || !(event.altKey || onHandle)) return;
    event.preventDefault();
    event.stopPropagation();
    const at = order.indexOf(id);
    const to = Math.max(0, Math.min(order.length - 1, at + by));
    if (to === at) return;
    focused.current = id;
    void settle(id, reordered(order, at, to));
  };
  return {
    list,
    order,
    dragged,
    said,
    keys,
    handle: (id) => ({ "data-handle": id, onPointerDown: drag(id) }),
  };
}

function middleOf(element: HTMLElement): number {
  const box = element.getBoundingClientRect();
  return box.top + box.height / 2;
}
