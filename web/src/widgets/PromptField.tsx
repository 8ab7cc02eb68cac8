import { useLayoutEffect, useRef } from "react";
import { estimateTokens, weighSelection } from "../model/promptText";
import type { WidgetShape } from "../model/shape";

interface Props {
  readonly label: string;
  readonly widget: WidgetShape;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly onDone: () => void;
}

/** A prompt. Ctrl with up or down weighs the selected words; the count is of CLIP tokens, about. */
export function PromptField({ label, widget, value, onChange, onDone }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  const selection = useRef<readonly [number, number]>(undefined);
  useLayoutEffect(() => {
    if (!selection.current || value === undefined) return;
    field.current?.setSelectionRange(...selection.current);
    selection.current = undefined;
  }, [value]);
  const { tokens, chunks } = estimateTokens(value);
  const weigh = (by: 1 | -1) => {
    const at = field.current;
    if (!at) return;
    const next = weighSelection({ text: value, start: at.selectionStart, end: at.selectionEnd }, by);
    selection.current = [next.start, next.end];
    onChange(next.text);
  };
  return (
    <label className="field text">
      <span className="label">
        {label}
        {widget.dynamicPrompts && value ? (
          <em title={`About ${tokens} CLIP tokens in ${chunks} ${chunks > 1 ? "chunks" : "chunk"} of 75`}>
            {tokens}/{chunks * 75}
          </em>
        ) : null}
      </span>
      <textarea
        ref={field}
        value={value}
        spellCheck={false}
        placeholder={widget.placeholder}
        className="nopan"
        onChange={(event) => onChange(event.currentTarget.value)}
        onFocus={(event) =>
          event.currentTarget.classList.toggle(
            "nowheel",
            event.currentTarget.scrollHeight > event.currentTarget.clientHeight,
          )
        }
        onBlur={(event) => {
          event.currentTarget.classList.remove("nowheel");
          onDone();
        }}
        onKeyDown={(event) => {
          const mod = event.ctrlKey || event.metaKey;
          if (mod && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
            event.preventDefault();
            event.stopPropagation();
            return weigh(event.key === "ArrowUp" ? 1 : -1);
          }
          if (event.key === "Escape") event.currentTarget.blur();
          if (!mod || /^[avcxzy]$/i.test(event.key)) event.stopPropagation();
        }}
      />
    </label>
  );
}
