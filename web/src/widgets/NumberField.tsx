import { useRef, useState } from "react";
import { addInteger, type Integer, readInteger } from "../model/integer";
import { calculate } from "../model/promptText";
import { allowed, decimals } from "../model/schema";
import type { WidgetShape } from "../model/shape";

interface Props {
  readonly label: string;
  readonly widget: WidgetShape;
  readonly value: Integer;
  readonly onChange: (value: Integer) => void;
  readonly onDone: () => void;
}

const PIXELS_A_STEP = 6;

/** Drag to scrub (Shift finer, Ctrl coarser), arrows to step, double-click or Enter to type, sums included. */
export function NumberField({ label, widget, value, onChange, onDone }: Props) {
  /** While somebody types: what the field began with. A digit that was typed already is not to be replaced. */
  const [typing, setTyping] = useState<{ readonly text: string; readonly keep: boolean }>();
  const type = () => setTyping({ text: shown(widget, value), keep: false });
  const byKey = useRef(false);
  const drag = useRef<{ x: number; value: Integer; moved: boolean }>(undefined);
  const step = widget.step ?? (widget.kind === "int" ? 1 : 0.1);
  const put = (next: Integer) => onChange(allowed(widget, next));
  const add = (to: Integer, by: number) => (widget.kind === "int" ? addInteger(to, by) : Number(to) + by);
  const share = fillShare(widget, value);
  if (typing !== undefined) {
    return (
      <label className="field number typing">
        <span className="label">{label}</span>
        <input
          // biome-ignore lint/a11y/noAutofocus: the person asked to type here
          autoFocus
          type="text"
          inputMode="decimal"
          defaultValue={typing.text}
          onFocus={({ currentTarget: field }) => (typing.keep ? field.setSelectionRange(1, 1) : field.select())}
          onKeyDown={(event) => {
            event.stopPropagation();
            if (event.key === "Escape") event.currentTarget.value = "";
            byKey.current = event.key === "Enter" || event.key === "Escape";
            if (byKey.current) event.currentTarget.blur();
          }}
          onBlur={(event) => {
            const text = event.currentTarget.value;
            const next = readInteger(text) ?? calculate(text);
            if (next !== undefined) put(next);
            onDone();
            setTyping(undefined);
          }}
        />
      </label>
    );
  }
  return (
    <div
      ref={(field) => {
        // Who typed goes on from here with the keys.
        if (field && byKey.current) field.focus();
        byKey.current = false;
      }}
      className="field number"
      role="spinbutton"
      tabIndex={0}
      aria-label={label}
      aria-valuenow={Number(value)}
      aria-valuetext={String(value)}
      aria-valuemin={widget.min}
      aria-valuemax={widget.max}
      style={{ "--fill": share === undefined ? 0 : share } as React.CSSProperties}
      onDoubleClick={type}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        drag.current = { x: event.clientX, value, moved: false };
      }}
      onPointerMove={(event) => {
        const start = drag.current;
        if (!start) return;
        const dx = event.clientX - start.x;
        if (!start.moved && Math.abs(dx) < 3) return;
        start.moved = true;
        const pace = event.shiftKey ? 0.1 : event.ctrlKey ? 10 : 1;
        put(add(start.value, Math.round((dx / PIXELS_A_STEP) * pace) * step));
      }}
      onPointerUp={(event) => {
        if (drag.current?.moved) onDone();
        else if (event.pointerType === "touch") type();
        drag.current = undefined;
      }}
      onPointerCancel={() => {
        drag.current = undefined;
        onDone();
      }}
      onKeyDown={(event) => {
        const pace = event.shiftKey ? 10 : 1;
        const by = { ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step }[event.key];
        if (by !== undefined && !event.ctrlKey && !event.altKey && !event.metaKey) {
          event.preventDefault();
          event.stopPropagation();
          put(add(value, by * pace));
        }
        if (event.ctrlKey || event.metaKey || !/^([\d.-]|Enter)$/.test(event.key)) return;
        event.preventDefault();
        event.stopPropagation();
        if (event.key === "Enter") type();
        else setTyping({ text: event.key, keep: true });
      }}
      onBlur={onDone}
    >
      <span className="label">{label}</span>
      <output>{shown(widget, value)}</output>
    </div>
  );
}

/** How full the bar behind the number is: only where the range is one that a person thinks of as a range. */
function fillShare(widget: WidgetShape, value: Integer): number | undefined {
  const { min, max } = widget;
  if (min === undefined || max === undefined || max <= min) return undefined;
  const small = widget.display === "slider" || (widget.kind === "float" && max - min <= 20);
  return small ? Math.min(1, Math.max(0, (Number(value) - min) / (max - min))) : undefined;
}

function shown(widget: WidgetShape, value: Integer): string {
  return widget.kind === "int" ? String(value) : Number(value).toFixed(Math.min(3, Math.max(1, decimals(widget))));
}
