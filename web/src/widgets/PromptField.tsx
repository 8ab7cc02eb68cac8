import { useLayoutEffect, useRef, useState } from "react";
import { type Completing, complete, completingAt } from "../model/completion";
import { weighSelection } from "../model/promptText";
import type { WidgetShape } from "../model/shape";
import { CHUNK } from "../model/tokens";
import { usePromptSize } from "../store/vocabulary";
import { COMPLETIONS, Completions, useCompletions } from "./Completions";

interface Props {
  readonly label: string;
  readonly widget: WidgetShape;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly onDone: () => void;
  /** Adds the LoRA that was named in the prompt. */
  readonly onLora: (name: string) => void;
}

/** A prompt. Ctrl with up or down weighs the selected words; the count is of CLIP's tokens. */
export function PromptField({ label, widget, value, onChange, onDone, onLora }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  const selection = useRef<readonly [number, number]>(undefined);
  useLayoutEffect(() => {
    if (!selection.current || value === undefined) return;
    field.current?.setSelectionRange(...selection.current);
    selection.current = undefined;
  }, [value]);
  const [completing, setCompleting] = useState<Completing>();
  const [chosen, setChosen] = useState(0);
  const names = useCompletions(completing);
  const look = (text: string, caret: number) => {
    setCompleting(widget.dynamicPrompts ? completingAt(text, caret) : undefined);
    setChosen(0);
  };
  const take = (name: string) => {
    if (!completing) return;
    const next = complete(value, completing, name);
    selection.current = [next.caret, next.caret];
    setCompleting(undefined);
    onChange(next.text);
    if (completing.kind === "lora") {
      onDone();
      onLora(name);
    }
  };
  const size = usePromptSize(value, widget.dynamicPrompts && value !== "");
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
        {size && (
          <em
            title={`${size.exact ? "" : "At least "}${size.tokens} CLIP tokens in ${size.chunks} ${size.chunks > 1 ? "chunks" : "chunk"} of ${CHUNK}`}
          >
            {size.tokens}/{size.chunks * CHUNK}
          </em>
        )}
      </span>
      <textarea
        ref={field}
        value={value}
        spellCheck={false}
        placeholder={widget.placeholder}
        className="nopan"
        aria-autocomplete="list"
        aria-controls={names.length ? COMPLETIONS : undefined}
        aria-activedescendant={names.length ? `${COMPLETIONS}-${chosen}` : undefined}
        onChange={(event) => {
          onChange(event.currentTarget.value);
          look(event.currentTarget.value, event.currentTarget.selectionStart);
        }}
        onFocus={(event) =>
          event.currentTarget.classList.toggle(
            "nowheel",
            event.currentTarget.scrollHeight > event.currentTarget.clientHeight,
          )
        }
        onBlur={(event) => {
          event.currentTarget.classList.remove("nowheel");
          setCompleting(undefined);
          onDone();
        }}
        onKeyDown={(event) => {
          const mod = event.ctrlKey || event.metaKey;
          if (
            names.length &&
            !mod &&
            steer(event, names, chosen, { setChosen, take, leave: () => setCompleting(undefined) })
          )
            return;
          if (mod && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
            event.preventDefault();
            event.stopPropagation();
            return weigh(event.key === "ArrowUp" ? 1 : -1);
          }
          if (event.key === "Escape") event.currentTarget.blur();
          if (!mod || /^[avcxzy]$/i.test(event.key)) event.stopPropagation();
        }}
      />
      <Completions kind={completing?.kind} names={names} at={chosen} field={field} onPick={take} />
    </label>
  );
}

interface Steering {
  readonly setChosen: (at: number) => void;
  readonly take: (name: string) => void;
  readonly leave: () => void;
}

/** The keys of the list of names, while there is one. */
function steer(
  event: React.KeyboardEvent,
  names: readonly string[],
  chosen: number,
  { setChosen, take, leave }: Steering,
): boolean {
  const name = names[chosen];
  if (event.key === "ArrowDown") setChosen((chosen + 1) % names.length);
  else if (event.key === "ArrowUp") setChosen((chosen + names.length - 1) % names.length);
  else if ((event.key === "Enter" || event.key === "Tab") && name !== undefined) take(name);
  else if (event.key === "Escape") leave();
  else return false;
  event.preventDefault();
  event.stopPropagation();
  return true;
}
