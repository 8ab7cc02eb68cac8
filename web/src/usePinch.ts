import { useEffect } from "react";

/** What Safari alone tells of two fingers on a trackpad. */
interface Pinch extends UIEvent {
  /** How far apart the fingers are, as a part of what they were at the start. */
  readonly scale: number;
  readonly clientX: number;
  readonly clientY: number;
}

/** How far a wheel with Ctrl turns for twice the size. */
const TWICE = 50;

/** Makes of Safari's pinch what it is elsewhere: a wheel with Ctrl, which all that zooms here knows. */
export function usePinch(): void {
  useEffect(() => {
    // On a touch screen it comes beside the fingers' own events.
    if ("ontouchstart" in window) return;
    const stop = new AbortController();
    let before = 1;
    const start = (event: Event) => {
      event.preventDefault();
      before = 1;
    };
    const change = (event: Event) => {
      event.preventDefault();
      const { scale, clientX, clientY } = event as Pinch;
      const deltaY = -TWICE * Math.log2(scale / before);
      before = scale;
      const turn = { deltaY, clientX, clientY, ctrlKey: true, bubbles: true, cancelable: true };
      event.target?.dispatchEvent(new WheelEvent("wheel", turn));
    };
    document.addEventListener("gesturestart", start, { signal: stop.signal, passive: false });
    document.addEventListener("gesturechange", change, { signal: stop.signal, passive: false });
    return () => stop.abort();
  }, []);
}
