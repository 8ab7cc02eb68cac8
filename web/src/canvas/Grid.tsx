import { useStoreApi } from "@xyflow/react";
import { memo, useEffect, useRef } from "react";

const STEP = 16;
/** Dots nearer to each other than this would be a haze: only every fifth is drawn then. */
const NEAREST = 7;

/** The dots that nodes snap to. Panning moves one layer, and draws nothing. */
export const Grid = memo(function Grid() {
  const grid = useRef<HTMLDivElement>(null);
  const store = useStoreApi();
  useEffect(() => {
    const place = ([x, y, zoom]: readonly [number, number, number]) => {
      if (!grid.current) return;
      const gap = gapAt(zoom);
      const { style } = grid.current;
      // A dot is in the middle of its tile, and a dot is where the graph begins.
      const shift = (offset: number) => ((((offset - gap / 2) % gap) + gap) % gap) - gap;
      style.transform = `translate(${shift(x)}px, ${shift(y)}px)`;
      const size = `${gap}px ${gap}px`;
      if (style.backgroundSize === size) return;
      style.backgroundSize = size;
      style.inset = `0 ${-gap}px ${-gap}px 0`;
    };
    place(store.getState().transform);
    return store.subscribe((now, before) => {
      if (now.transform !== before.transform) place(now.transform);
    });
  }, [store]);
  return <div ref={grid} className="grid" aria-hidden />;
});

/** Pixels on the screen from dot to dot. */
function gapAt(zoom: number): number {
  let gap = STEP * zoom;
  while (gap < NEAREST) gap *= 5;
  return gap;
}
