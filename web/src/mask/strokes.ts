import { type RefObject, useCallback, useMemo, useRef, useState } from "react";

/** What undo may keep: one byte for each pixel and step. */
const MOST_BYTES = 256 * 2 ** 20;

/** The mask alone: how much is painted of each pixel. */
type Paint = Uint8Array;

function read(canvas: HTMLCanvasElement | null): Paint | undefined {
  const data = canvas?.width
    ? canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data
    : undefined;
  if (!data) return undefined;
  const paint = new Uint8Array(data.length / 4);
  for (let i = 0; i < paint.length; i++) paint[i] = data[i * 4 + 3] as number;
  return paint;
}

function show(canvas: HTMLCanvasElement | null, paint: Paint | undefined, tint: string): void {
  const context = canvas?.getContext("2d");
  if (!canvas || !context || !paint) return;
  const image = context.createImageData(canvas.width, canvas.height);
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(tint.slice(at, at + 2), 16)) as [
    number,
    number,
    number,
  ];
  for (let i = 0; i < paint.length; i++) image.data.set([red, green, blue, paint[i] as number], i * 4);
  context.putImageData(image, 0, 0);
}

export interface Strokes {
  /** Takes the mask as it is for the beginning. */
  readonly begin: () => void;
  /** Takes the mask as it is for one step more. */
  readonly keep: () => void;
  /** Puts back what was there before a stroke that is not to be kept. */
  readonly drop: () => void;
  readonly undo: () => void;
  readonly redo: () => void;
  readonly undoable: boolean;
  readonly redoable: boolean;
}

/** The mask's own undo: what was painted after each stroke. */
export function useStrokes(mask: RefObject<HTMLCanvasElement | null>, tint: string): Strokes {
  const past = useRef<readonly Paint[]>([]);
  const future = useRef<readonly Paint[]>([]);
  const [depth, setDepth] = useState({ undoable: false, redoable: false });
  const set = useCallback((before: readonly Paint[], after: readonly Paint[]) => {
    past.current = before;
    future.current = after;
    setDepth({ undoable: before.length > 1, redoable: after.length > 0 });
  }, []);
  const begin = useCallback(() => {
    const now = read(mask.current);
    set(now ? [now] : [], []);
  }, [mask, set]);
  const keep = useCallback(() => {
    const now = read(mask.current);
    if (!now) return;
    const most = Math.max(2, Math.floor(MOST_BYTES / now.length));
    set([...past.current, now].slice(-most), []);
  }, [mask, set]);
  const latest = () => past.current[past.current.length - 1];
  return useMemo(
    () => ({
      ...depth,
      begin,
      keep,
      drop: () => show(mask.current, latest(), tint),
      undo: () => {
        const now = latest();
        if (past.current.length < 2 || !now) return;
        set(past.current.slice(0, -1), [now, ...future.current]);
        show(mask.current, latest(), tint);
      },
      redo: () => {
        const [next, ...rest] = future.current;
        if (!next) return;
        set([...past.current, next], rest);
        show(mask.current, next, tint);
      },
    }),
    [mask, tint, depth, begin, keep, set],
  );
}
