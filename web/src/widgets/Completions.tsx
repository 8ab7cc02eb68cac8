import { type RefObject, useEffect, useState } from "react";
import { createPortal } from "react-dom";
import { listEmbeddings } from "../api/rest";
import type { Completing } from "../model/completion";
import { filterTexts } from "../model/search";
import { useLibrary } from "../store/library";

const SHOWN = 8;

/** The names that what is being written could become. */
export function useCompletions(completing: Completing | undefined): readonly string[] {
  const kind = completing?.kind;
  const loras = useLibrary((state) =>
    kind === "lora" ? state.catalogue.get("LoraLoader")?.widgets.find((one) => one.name === "lora_name") : undefined,
  );
  const [embeddings, setEmbeddings] = useState<readonly string[]>([]);
  useEffect(() => {
    // Without the list one types the name oneself.
    if (kind === "embedding") listEmbeddings().then(setEmbeddings, () => setEmbeddings([]));
  }, [kind]);
  if (!completing) return [];
  const names = kind === "lora" ? (loras?.options.map(String) ?? []) : embeddings;
  return filterTexts(names, completing.typed, (name) => name).slice(0, SHOWN);
}

interface Props {
  readonly names: readonly string[];
  readonly at: number;
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly onPick: (name: string) => void;
}

/** The list under a prompt: arrows choose, Enter or Tab takes. */
export function Completions({ names, at, field, onPick }: Props) {
  const box = field.current?.getBoundingClientRect();
  if (!names.length || !box) return null;
  return createPortal(
    <div
      className="popover completions"
      role="listbox"
      aria-label="Names that fit"
      style={{ left: box.left, top: box.bottom + 4, minWidth: Math.min(320, box.width) }}
    >
      {names.map((name, i) => (
        <button
          type="button"
          role="option"
          tabIndex={-1}
          key={name}
          aria-selected={i === at}
          onPointerDown={(event) => {
            event.preventDefault();
            onPick(name);
          }}
        >
          {name}
        </button>
      ))}
    </div>,
    document.body,
  );
}
