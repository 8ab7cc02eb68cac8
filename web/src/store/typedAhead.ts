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
