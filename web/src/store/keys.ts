import { type Command, keysOf, pressed, rebound } from "../model/keys";
import { COMMANDS } from "./commands";
import { useUi } from "./ui";

/** The command's keys as they are now. */
export const keysNow = (command: Command) => keysOf(command, useUi.getState().keys);

/** The same in a view, which is drawn again when they change. */
export function useKeysOf(): (command: Command) => readonly string[] {
  const chosen = useUi((state) => state.keys);
  return (command) => keysOf(command, chosen);
}

/** The browser tells of these itself, with the clipboard in hand; taking the key from it would be asking for leave. */
const OF_THE_BROWSER = new Set(["Mod+C", "Mod+V"]);

/** The command that a key press asks for, if any. */
export function commandFor(event: KeyboardEvent): Command | undefined {
  const keys = pressed(event);
  return keys === undefined || OF_THE_BROWSER.has(keys)
    ? undefined
    : COMMANDS.find((one) => keysNow(one).includes(keys));
}

export function rebind(id: string, keys: string): void {
  useUi.setState(({ keys: chosen }) => ({ keys: rebound(chosen, COMMANDS, id, keys) }));
}

export const resetKeys = () => useUi.setState({ keys: {} });
