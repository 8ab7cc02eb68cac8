import { Brush as BrushIcon, Contrast, Droplet, Eraser, PaintBucket, Redo2, Trash2, Undo2 } from "lucide-react";
import { Dialog } from "radix-ui";
import { useCallback, useEffect, useRef, useState } from "react";
import { imageName, imageUrl, uploadMask } from "../api/rest";
import { setValue } from "../model/edits";
import { activeTab, docOf, edit, locate } from "../store/docs";
import { report, useUi } from "../store/ui";
import {
  type Brush,
  clear,
  type Dab,
  dabsBetween,
  feather,
  fill,
  fromAlpha,
  invert,
  paint,
  recolour,
  withHoles,
} from "./brush";

const TINTS = ["#ff5c7a", "#5fb2ff", "#6fe0a8", "#ffd166"];
const STEPS = 40;

/** Paints what a picture's mask covers, and uploads it beside the picture. */
export default function MaskEditor() {
  const target = useUi((state) => state.mask);
  const [picture, setPicture] = useState<HTMLImageElement>();
  const [brush, setBrush] = useState<Brush>({ size: 48, hardness: 0.8, erase: false, tint: TINTS[0] as string });
  const { tint } = brush;
  const [opacity, setOpacity] = useState(0.6);
  const [softness, setSoftness] = useState(8);
  const [busy, setBusy] = useState(false);
  const [view, setView] = useState({ x: 0, y: 0, scale: 1 });
  const [cursor, setCursor] = useState<{ x: number; y: number }>();
  const mask = useRef<HTMLCanvasElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const strokes = useStrokes(mask, tint);
  const close = useCallback(() => useUi.setState({ mask: undefined }), []);
  const url = target ? imageUrl(target.image) : "";

  useEffect(() => {
    if (!url) return;
    const image = new Image();
    image.onload = () => setPicture(image);
    image.onerror = () => {
      report("That picture could not be read.");
      close();
    };
    image.src = url;
  }, [url, close]);

  const { begin } = strokes;
  useEffect(() => {
    const canvas = mask.current;
    const box = stage.current?.getBoundingClientRect();
    if (!picture || !canvas || !box) return;
    canvas.width = picture.naturalWidth;
    canvas.height = picture.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context) fromAlpha(picture, context, TINTS[0] as string);
    begin();
    const scale = Math.min((box.width - 48) / canvas.width, (box.height - 48) / canvas.height);
    setView({ x: (box.width - canvas.width * scale) / 2, y: (box.height - canvas.height * scale) / 2, scale });
  }, [picture, begin]);

  if (!target) return null;
  const change = (what: (context: CanvasRenderingContext2D) => void) => {
    const context = mask.current?.getContext("2d");
    if (!context) return;
    what(context);
    strokes.keep();
  };
  const save = async () => {
    if (!picture || !mask.current) return;
    setBusy(true);
    try {
      const blob = await withHoles(picture, mask.current);
      const image = await uploadMask(blob, `painted-${Date.now()}.png`, target.image);
      edit("paint a mask", (doc, at) => {
        const place = locate(docOf(activeTab()), target.node);
        return place
          ? setValue(doc, place.at, place.id, target.widget, imageName(image))
          : setValue(doc, at, target.node, target.widget, imageName(image));
      });
      close();
    } catch (error) {
      report(error);
      setBusy(false);
    }
  };
  const keys = (event: React.KeyboardEvent) => {
    const grow = (by: number) =>
      setBrush((old) => ({ ...old, size: Math.min(600, Math.max(1, Math.round(old.size * by))) }));
    const harden = (by: number) =>
      setBrush((old) => ({ ...old, hardness: Math.min(1, Math.max(0, old.hardness + by)) }));
    const mod = event.ctrlKey || event.metaKey;
    if (mod && event.key.toLowerCase() === "z") event.shiftKey ? strokes.redo() : strokes.undo();
    else if (event.key === "[") grow(1 / 1.15);
    else if (event.key === "]") grow(1.15);
    else if (event.key === "{") harden(-0.1);
    else if (event.key === "}") harden(0.1);
    else if (event.key.toLowerCase() === "x") setBrush((old) => ({ ...old, erase: !old.erase }));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const pointAt = (event: { clientX: number; clientY: number; pressure?: number; pointerType?: string }): Dab => {
    const box = stage.current?.getBoundingClientRect() ?? { x: 0, y: 0 };
    const pressure = event.pointerType === "pen" ? (event.pressure ?? 1) : 1;
    return {
      x: (event.clientX - box.x - view.x) / view.scale,
      y: (event.clientY - box.y - view.y) / view.scale,
      pressure,
    };
  };
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Content
          className="mask-editor"
          aria-describedby={undefined}
          onKeyDown={keys}
          onPointerDownOutside={(event) => event.preventDefault()}
        >
          <Dialog.Title className="unseen">Paint a mask</Dialog.Title>
          <header>
            <Tool label="Brush (X)" on={!brush.erase} onClick={() => setBrush({ ...brush, erase: false })}>
              <BrushIcon size={16} />
            </Tool>
            <Tool label="Eraser (X)" on={brush.erase} onClick={() => setBrush({ ...brush, erase: true })}>
              <Eraser size={16} />
            </Tool>
            <Range
              label="Size"
              min={1}
              max={400}
              value={brush.size}
              onChange={(size) => setBrush({ ...brush, size })}
            />
            <Range
              label="Hardness"
              min={0}
              max={100}
              value={Math.round(brush.hardness * 100)}
              onChange={(value) => setBrush({ ...brush, hardness: value / 100 })}
            />
            <hr />
            <Tool label="Fill" onClick={() => change((context) => fill(context, tint))}>
              <PaintBucket size={16} />
            </Tool>
            <Tool label="Invert" onClick={() => change((context) => invert(context, tint))}>
              <Contrast size={16} />
            </Tool>
            <Tool label="Clear" onClick={() => change(clear)}>
              <Trash2 size={16} />
            </Tool>
            <Range label="Feather" min={1} max={64} value={softness} onChange={setSoftness} />
            <Tool label="Feather the edge" onClick={() => change((context) => feather(context, softness))}>
              <Droplet size={16} />
            </Tool>
            <hr />
            <Tool label="Undo (Ctrl+Z)" onClick={strokes.undo}>
              <Undo2 size={16} />
            </Tool>
            <Tool label="Redo (Ctrl+Shift+Z)" onClick={strokes.redo}>
              <Redo2 size={16} />
            </Tool>
            <hr />
            {TINTS.map((one) => (
              <button
                type="button"
                key={one}
                className={one === tint ? "tint on" : "tint"}
                aria-label={`Show the mask in ${one}`}
                aria-pressed={one === tint}
                style={{ background: one }}
                onClick={() => setBrush({ ...brush, tint: one })}
              />
            ))}
            <Range
              label="Opacity"
              min={10}
              max={100}
              value={Math.round(opacity * 100)}
              onChange={(value) => setOpacity(value / 100)}
            />
            <span className="spring" />
            <button type="button" className="quiet" onClick={close}>
              Cancel
            </button>
            <button type="button" className="run" disabled={busy} onClick={() => void save()}>
              {busy ? "Saving…" : "Save mask"}
            </button>
          </header>
          <Stage
            stage={stage}
            onDab={(from, to) => {
              const context = mask.current?.getContext("2d");
              if (context) paint(context, dabsBetween(from, to, brush.size), brush);
            }}
            onStroke={strokes.keep}
            pointAt={pointAt}
            onView={setView}
            onCursor={setCursor}
          >
            <div
              className="mask-layers"
              style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})` }}
            >
              {picture && <img src={url} alt="What the mask is painted on" draggable={false} />}
              <div className="mask-paint" style={{ opacity }}>
                <canvas ref={mask} aria-label="Mask" />
              </div>
            </div>
            {cursor && (
              <i
                className="brush-ring"
                style={{
                  left: cursor.x,
                  top: cursor.y,
                  width: brush.size * view.scale,
                  height: brush.size * view.scale,
                }}
              />
            )}
          </Stage>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Tool({
  label,
  on,
  onClick,
  children,
}: {
  label: string;
  on?: boolean;
  onClick: () => void;
  children: React.ReactNode;
}) {
  return (
    <button
      type="button"
      className={on ? "icon on" : "icon"}
      title={label}
      aria-label={label}
      aria-pressed={on}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

function Range({
  label,
  min,
  max,
  value,
  onChange,
}: {
  label: string;
  min: number;
  max: number;
  value: number;
  onChange: (value: number) => void;
}) {
  return (
    <label className="range">
      {label}
      <input
        type="range"
        min={min}
        max={max}
        value={value}
        onChange={(event) => onChange(Number(event.currentTarget.value))}
      />
    </label>
  );
}

interface StageProps {
  readonly stage: React.RefObject<HTMLDivElement | null>;
  readonly children: React.ReactNode;
  readonly pointAt: (event: React.PointerEvent) => Dab;
  readonly onDab: (from: Dab, to: Dab) => void;
  readonly onStroke: () => void;
  readonly onView: (change: (old: View) => View) => void;
  readonly onCursor: (at: { x: number; y: number } | undefined) => void;
}

interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

/** Left paints, middle or right pans, the wheel zooms to the pointer: as on the canvas of nodes. */
function Stage({ stage, children, pointAt, onDab, onStroke, onView, onCursor }: StageProps) {
  const last = useRef<Dab>(undefined);
  const pan = useRef<{ x: number; y: number }>(undefined);
  useEffect(() => {
    const element = stage.current;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element?.getBoundingClientRect();
      if (!box) return;
      const at = { x: event.clientX - box.x, y: event.clientY - box.y };
      onView((old) => {
        const scale = Math.min(20, Math.max(0.05, old.scale * Math.exp(-event.deltaY * 0.0015)));
        const by = scale / old.scale;
        return { scale, x: at.x - (at.x - old.x) * by, y: at.y - (at.y - old.y) * by };
      });
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  }, [stage, onView]);
  const end = () => {
    if (last.current) onStroke();
    last.current = undefined;
    pan.current = undefined;
  };
  return (
    <div
      ref={stage}
      className="mask-stage"
      onContextMenu={(event) => event.preventDefault()}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        if (event.button !== 0) {
          pan.current = { x: event.clientX, y: event.clientY };
          return;
        }
        const dab = pointAt(event);
        last.current = dab;
        onDab(dab, dab);
      }}
      onPointerMove={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        onCursor({ x: event.clientX - box.x, y: event.clientY - box.y });
        const from = pan.current;
        if (from) {
          pan.current = { x: event.clientX, y: event.clientY };
          onView((old) => ({ ...old, x: old.x + event.clientX - from.x, y: old.y + event.clientY - from.y }));
        }
        if (!last.current) return;
        const dab = pointAt(event);
        onDab(last.current, dab);
        last.current = dab;
      }}
      onPointerUp={end}
      onPointerCancel={end}
      onPointerLeave={() => onCursor(undefined)}
    >
      {children}
    </div>
  );
}

/** The mask's own undo: the canvas after each stroke. */
function useStrokes(mask: React.RefObject<HTMLCanvasElement | null>, tint: string) {
  const past = useRef<ImageData[]>([]);
  const future = useRef<ImageData[]>([]);
  const read = useCallback(() => {
    const canvas = mask.current;
    return canvas?.width ? canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) : undefined;
  }, [mask]);
  const begin = useCallback(() => {
    const now = read();
    past.current = now ? [now] : [];
    future.current = [];
  }, [read]);
  const keep = useCallback(() => {
    const now = read();
    if (!now) return;
    past.current = [...past.current.slice(-STEPS), now];
    future.current = [];
  }, [read]);
  const show = useCallback(
    (data: ImageData | undefined) => {
      const context = mask.current?.getContext("2d");
      if (!data || !context) return;
      context.putImageData(data, 0, 0);
      recolour(context, tint);
    },
    [mask, tint],
  );
  useEffect(() => {
    const context = mask.current?.getContext("2d");
    if (context && mask.current?.width) recolour(context, tint);
  }, [mask, tint]);
  const undo = useCallback(() => {
    if (past.current.length < 2) return;
    future.current.push(past.current.pop() as ImageData);
    show(past.current[past.current.length - 1]);
  }, [show]);
  const redo = useCallback(() => {
    const next = future.current.pop();
    if (!next) return;
    past.current.push(next);
    show(next);
  }, [show]);
  return { begin, keep, undo, redo };
}
