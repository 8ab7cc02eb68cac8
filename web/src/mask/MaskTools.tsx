import {
  Brush as BrushIcon,
  Contrast,
  Droplet,
  Eraser,
  Lasso,
  Maximize,
  PaintBucket,
  Redo2,
  Square,
  Trash2,
  Undo2,
} from "lucide-react";
import type { Shape } from "./area";
import { type Brush, clear, feather, fill, invert } from "./brush";
import type { Strokes } from "./strokes";

export const TINTS = [
  ["#ff5c7a", "red"],
  ["#5fb2ff", "blue"],
  ["#6fe0a8", "green"],
  ["#ffd166", "yellow"],
] as const;

export interface Look {
  readonly shape: Shape;
  readonly opacity: number;
  readonly softness: number;
}

interface ToolsProps {
  readonly brush: Brush;
  readonly onBrush: (change: Partial<Brush>) => void;
  readonly look: Look;
  readonly onLook: (change: Partial<Look>) => void;
  readonly strokes: Strokes;
  /** Changes the whole mask in one step. */
  readonly onChange: (what: (context: CanvasRenderingContext2D) => void) => void;
  readonly onFit: () => void;
}

/** What the mask is painted with, and what is done to all of it. */
export function MaskTools({ brush, onBrush, look, onLook, strokes, onChange, onFit }: ToolsProps) {
  const { tint } = brush;
  const shape = (name: Shape, label: string, icon: React.ReactNode) => (
    <Tool label={label} on={look.shape === name} onClick={() => onLook({ shape: name })}>
      {icon}
    </Tool>
  );
  return (
    <div className="mask-tools" role="toolbar" aria-label="Mask tools">
      <div className="group">
        {shape("brush", "Brush (B)", <BrushIcon size={16} />)}
        {shape("rectangle", "Rectangle (R)", <Square size={16} />)}
        {shape("lasso", "Lasso (L)", <Lasso size={16} />)}
        <Tool label="Eraser (X)" on={brush.erase} onClick={() => onBrush({ erase: !brush.erase })}>
          <Eraser size={16} />
        </Tool>
      </div>
      <div className="group">
        <Range label="Size" keys="[ ]" min={1} max={600} value={brush.size} onChange={(size) => onBrush({ size })} />
        <Range
          label="Hardness"
          keys="Shift+[ ]"
          min={0}
          max={100}
          value={Math.round(brush.hardness * 100)}
          onChange={(value) => onBrush({ hardness: value / 100 })}
        />
      </div>
      <div className="group">
        <Tool label="Fill" onClick={() => onChange((context) => fill(context, tint))}>
          <PaintBucket size={16} />
        </Tool>
        <Tool label="Invert" onClick={() => onChange((context) => invert(context, tint))}>
          <Contrast size={16} />
        </Tool>
        <Tool label="Clear" onClick={() => onChange(clear)}>
          <Trash2 size={16} />
        </Tool>
      </div>
      <div className="group">
        <Range label="Feather" min={1} max={64} value={look.softness} onChange={(softness) => onLook({ softness })} />
        <Tool label="Feather the edge" onClick={() => onChange((context) => feather(context, look.softness))}>
          <Droplet size={16} />
        </Tool>
      </div>
      <div className="group history">
        <Tool label="Undo (Ctrl+Z)" off={!strokes.undoable} onClick={strokes.undo}>
          <Undo2 size={16} />
        </Tool>
        <Tool label="Redo (Ctrl+Shift+Z)" off={!strokes.redoable} onClick={strokes.redo}>
          <Redo2 size={16} />
        </Tool>
        <Tool label="Fit the picture (F)" onClick={onFit}>
          <Maximize size={16} />
        </Tool>
      </div>
      <div className="group">
        {TINTS.map(([one, name]) => (
          <button
            type="button"
            key={one}
            className={one === tint ? "tint on" : "tint"}
            title={`Show the mask in ${name}`}
            aria-label={`Show the mask in ${name}`}
            aria-pressed={one === tint}
            style={{ background: one }}
            onClick={() => onBrush({ tint: one })}
          />
        ))}
        <Range
          label="Opacity"
          min={10}
          max={100}
          value={Math.round(look.opacity * 100)}
          onChange={(value) => onLook({ opacity: value / 100 })}
        />
      </div>
    </div>
  );
}

interface ToolProps {
  readonly label: string;
  readonly on?: boolean;
  readonly off?: boolean;
  readonly onClick: () => void;
  readonly children: React.ReactNode;
}

function Tool({ label, on, off, onClick, children }: ToolProps) {
  return (
    <button
      type="button"
      className={on ? "icon on" : "icon"}
      title={label}
      aria-label={label}
      aria-pressed={on}
      disabled={off}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

interface RangeProps {
  readonly label: string;
  readonly keys?: string;
  readonly min: number;
  readonly max: number;
  readonly value: number;
  readonly onChange: (value: number) => void;
}

function Range({ label, keys, min, max, value, onChange }: RangeProps) {
  return (
    <label className="range" title={keys && `${label} (${keys})`}>
      {label}
      <input
        type="range"
        min={min}
        max={max}
        value={value}
        onChange={(event) => onChange(Number(event.currentTarget.value))}
      />
      <output>{value}</output>
    </label>
  );
}
