import { type RefObject, useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { listEmbeddings } from "../api/rest";
import type { Completing } from "../model/completion";
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
  const [found, setFound] = useState<readonly string[]>([]);
  useEffect(() => {
    let wanted = true;
    const names = kind === "lora" ? (loras?.options.map(String) ?? []) : embeddings;
    const typed = completing?.typed;
    if (typed === undefined) setFound([]);
    else
      void import("../model/search").then(({ filterTexts }) => {
        if (wanted) setFound(filterTexts(names, typed, String).slice(0, SHOWN));
      });
    return () => {
      wanted = false;
    };
  }, [kind, completing?.typed, loras, embeddings]);
  return completing ? found : [];
}

export const COMPLETIONS = "completions";

interface Props {
  readonly kind: Completing["kind"] | undefined;
  readonly names: readonly string[];
  readonly at: number;
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly onPick: (name: string) => void;
}

/** The list under a prompt: arrows choose, Enter or Tab takes. */
export function Completions({ kind, names, at, field, onPick }: Props) {
  const box = useBox(field, names.length > 0);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  if (!names.length || !box) return null;
  const above = box.bottom + HEIGHT > window.innerHeight;
  const place = above ? { bottom: window.innerHeight - box.top + 4 } : { top: box.bottom + 4 };
  return createPortal(
    <div className="popover completions" style={{ left: box.left, minWidth: Math.min(320, box.width), ...place }}>
      <div ref={list} id={COMPLETIONS} role="listbox" aria-label="Names that fit">
        {names.map((name, i) => (
          <button
            type="button"
            role="option"
            tabIndex={-1}
            id={`${COMPLETIONS}-${i}`}
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
      </div>
      <p className="hint">{kind === "lora" ? "Adds a node that loads the LoRA." : "Writes the embedding's name."}</p>
    </div>,
    document.body,
  );
}

const HEIGHT = 260;

/** Where the field is on the screen, also while the canvas below it moves. */
function useBox(field: RefObject<HTMLTextAreaElement | null>, watching: boolean): DOMRect | undefined {
  const [box, setBox] = useState<DOMRect>();
  useEffect(() => {
    if (!watching) return;
    let frame = 0;
    const look = () => {
      const next = field.current?.getBoundingClientRect();
      setBox((old) => (old && next && old.x === next.x && old.y === next.y && old.width === next.width ? old : next));
      frame = requestAnimationFrame(look);
    };
    look();
    return () => cancelAnimationFrame(frame);
  }, [field, watching]);
  return box;
}
