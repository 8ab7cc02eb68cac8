/* A finger that rests opens the menu. Safari on iOS tells no page of it, so it is timed here, for all browsers alike. */

const RESTS_MS = 500;
const SHAKES_PX = 8;

/** Begins to wait when a finger comes down; a second finger, a move or its end gives up. */
export function beginLongPress(event: React.PointerEvent): void {
  if (event.pointerType !== "touch" || !event.isPrimary) return;
  const { clientX, clientY } = event;
  const target = event.target as Element;
  const stop = new AbortController();
  const { signal } = stop;
  const giveUp = () => stop.abort();
  const timer = setTimeout(() => {
    giveUp();
    swallowClick();
    target.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true, clientX, clientY }));
  }, RESTS_MS);
  signal.addEventListener("abort", () => clearTimeout(timer));
  const moved = (now: PointerEvent) => {
    if (Math.hypot(now.clientX - clientX, now.clientY - clientY) > SHAKES_PX) giveUp();
  };
  window.addEventListener("pointermove", moved, { signal });
  for (const type of ["pointerup", "pointercancel", "contextmenu"]) window.addEventListener(type, giveUp, { signal });
  window.addEventListener("pointerdown", giveUp, { signal, capture: true });
}

/** What the finger does when it leaves is no click. What comes after its next touch is one again. */
function swallowClick(): void {
  const stop = new AbortController();
  const swallow = (event: Event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  for (const type of ["touchend", "click"])
    window.addEventListener(type, swallow, { capture: true, passive: false, signal: stop.signal });
  window.addEventListener("pointerdown", () => stop.abort(), { capture: true, once: true });
}
