import { useLayoutEffect, useState } from "react";

/* What was typed for a field that is still being loaded. */

let typed = "";

export const typedAhead = () => typed;

export function forgetTyped(): void {
  typed = "";
}

/** Notes a key; false where it writes nothing. */
export function noteTyped({ key }: Pick<KeyboardEvent, "key">): boolean {
  if (key === "Backspace") typed = [...typed].slice(0, -1).join("");
  else if ([...key].length === 1) typed += key;
  else return false;
  return true;
}

/** The text of a field that begins with what was typed before it came, also while it was being drawn. */
export function useTyped(): readonly [string, (text: string) => void] {
  const [text, setText] = useState(typedAhead);
  useLayoutEffect(() => {
    const all = typedAhead();
    if (all) setText(all);
    forgetTyped();
  }, []);
  return [text, setText];
}
