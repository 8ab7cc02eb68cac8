import { useEffect } from "react";
import { forgetTyped, noteTyped } from "../store/typedAhead";

/**
 * Stands for what was asked for by a key and is still being loaded. The keys pressed meanwhile are meant for it: they
 * are no commands, and what they write is kept for its field.
 */
export function Coming({ onLeave }: { onLeave?: () => void }) {
  useEffect(() => {
    forgetTyped();
    const keep = (event: KeyboardEvent) => {
      event.stopImmediatePropagation();
      if (event.key === "Escape") onLeave?.();
      else if (event.ctrlKey || event.metaKey || !(noteTyped(event) || /^(Enter|Tab|Arrow)/.test(event.key))) return;
      event.preventDefault();
    };
    window.addEventListener("keydown", keep, true);
    return () => window.removeEventListener("keydown", keep, true);
  }, [onLeave]);
  return null;
}
