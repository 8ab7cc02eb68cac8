import { useEffect } from "react";
import { clipText, noteCopied, pasteText } from "./store/clipboard";
import { removeCut } from "./store/commands";
import { openFile } from "./store/files";
import { pointerAt } from "./store/focus";
import { report } from "./store/ui";

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA)$/.test(target.tagName));

/** Copy, cut and paste by the system's clipboard, so that they work across tabs, windows and machines. */
export function usePaste(): void {
  useEffect(() => {
    const copy = (event: ClipboardEvent) => {
      if (typing(event.target) || window.getSelection()?.toString()) return;
      const text = clipText();
      if (!text) return;
      noteCopied(text);
      event.clipboardData?.setData("text/plain", text);
      event.clipboardData?.setData("application/json", text);
      event.preventDefault();
      if (event.type === "cut") removeCut();
    };
    const paste = (event: ClipboardEvent) => {
      if (typing(event.target)) return;
      const file = [...(event.clipboardData?.files ?? [])][0];
      const text = event.clipboardData?.getData("text/plain") ?? "";
      try {
        if (file) void openFile(file, { at: pointerAt() });
        else if (!pasteText(text) && text.trim().startsWith("{"))
          void openFile(new File([text], "Pasted.json", { type: "application/json" }));
        else return;
        event.preventDefault();
      } catch (error) {
        report(error);
      }
    };
    // Firefox on Linux pastes what is selected where the middle button comes up; here that button has panned.
    const middle = (event: MouseEvent) => {
      const kept = typing(event.target) || (event.target as Element).closest("a");
      if (event.button === 1 && !kept) event.preventDefault();
    };
    document.addEventListener("auxclick", middle);
    document.addEventListener("copy", copy);
    document.addEventListener("cut", copy);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("auxclick", middle);
      document.removeEventListener("copy", copy);
      document.removeEventListener("cut", copy);
      document.removeEventListener("paste", paste);
    };
  }, []);
}
