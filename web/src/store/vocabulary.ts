import { useEffect } from "react";
import { create } from "zustand";
import { getEmbeddingLengths, getMerges } from "../api/rest";
import { type CountTokens, clipCounter, type PromptSize, promptSize } from "../model/tokens";

interface Vocabulary {
  readonly count?: CountTokens;
  readonly embeddings: Readonly<Record<string, number | null>>;
}

const useVocabulary = create<Vocabulary>(() => ({ embeddings: {} }));
let asked = false;

/** Asks once, when there is nothing better to do. Without an answer prompts have no count. */
function ask(): void {
  if (asked) return;
  asked = true;
  const idle = window.requestIdleCallback ?? ((run: () => void) => setTimeout(run, 500));
  idle(() => {
    getMerges().then(
      (merges) => useVocabulary.setState({ count: clipCounter(merges) }),
      () => {
        asked = false;
      },
    );
    readLengths();
  });
}

/** Reads how long the embeddings are: again when somebody writes the name of one. */
export function readLengths(): void {
  getEmbeddingLengths().then(
    (embeddings) => useVocabulary.setState({ embeddings }),
    () => undefined,
  );
}

/** The size of a prompt, once it can be known. */
export function usePromptSize(text: string, wanted: boolean): PromptSize | undefined {
  const { count, embeddings } = useVocabulary();
  useEffect(() => {
    if (wanted) ask();
  }, [wanted]);
  return count && wanted ? promptSize(text, count, (name) => embeddings[name]) : undefined;
}
