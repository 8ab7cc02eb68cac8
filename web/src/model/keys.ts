export interface Command {
  readonly id: string;
  readonly label: string;
  readonly group: "Run" | "Edit" | "Node" | "View" | "File";
  /** Keys as `Mod+Shift+G`; Mod is Ctrl, or Cmd on a Mac. */
  readonly keys: readonly string[];
  readonly run: () => void;
}

/** Keys that a person gave to commands, by the command's id. */
export type ChosenKeys = Readonly<Record<string, readonly string[]>>;

/** The command's keys: those that the person chose, else those that come with it. */
export function keysOf(command: Command, chosen: ChosenKeys): readonly string[] {
  return chosen[command.id] ?? command.keys;
}

const MODIFIERS = new Set(["Control", "Shift", "Alt", "Meta", "AltGraph"]);

/** A key press as it is written in commands, or nothing while only modifiers are held. */
export function pressed(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">,
): string | undefined {
  if (MODIFIERS.has(event.key)) return undefined;
  const mod = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  // Shift is part of what makes a "?" already.
  const shifted = event.shiftKey && (event.key.length > 1 || /[a-z]/i.test(event.key));
  return [mod && "Mod", event.altKey && "Alt", shifted && "Shift", key].filter(Boolean).join("+");
}

/** What the choices are once a command has these keys alone: no other command keeps them. */
export function rebound(chosen: ChosenKeys, commands: readonly Command[], id: string, keys: string): ChosenKeys {
  const others = commands
    .filter((one) => one.id !== id && keysOf(one, chosen).includes(keys))
    .map((one) => [one.id, keysOf(one, chosen).filter((each) => each !== keys)] as const);
  return { ...chosen, ...Object.fromEntries(others), [id]: [keys] };
}
