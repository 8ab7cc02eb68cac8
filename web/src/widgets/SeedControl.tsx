import { Dices, History, Lock, Minus, Plus, Shuffle } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { Integer } from "../model/integer";

const WHAT = [
  ["fixed", "Keep after a run", Lock],
  ["randomize", "Random after a run", Shuffle],
  ["increment", "+1 after a run", Plus],
  ["decrement", "−1 after a run", Minus],
] as const;

export function SeedControl({
  what,
  onWhat,
  onRoll,
  last,
  onLast,
}: {
  what: string;
  /** The seed that was sent last. */
  last?: Integer;
  onLast: () => void;
  onWhat: (next: string) => void;
  onRoll: () => void;
}) {
  const [, label, Icon] = WHAT.find(([name]) => name === what) ?? WHAT[0];
  return (
    <>
      <button type="button" className="icon" title="New random value" aria-label="New random value" onClick={onRoll}>
        <Dices size={14} />
      </button>
      <DropdownMenu.Root>
        <DropdownMenu.Trigger asChild>
          <button
            type="button"
            className={what === "fixed" ? "icon" : "icon on"}
            title={label}
            aria-label={`After a run: ${label}`}
          >
            <Icon size={14} />
          </button>
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className="menu" align="end">
            {WHAT.map(([name, text, Each]) => (
              <DropdownMenu.Item
                key={name}
                onSelect={() => onWhat(name)}
                className={name === what ? "chosen" : undefined}
              >
                <Each size={14} /> {text}
              </DropdownMenu.Item>
            ))}
            {last !== undefined && (
              <DropdownMenu.Item onSelect={onLast}>
                <History size={14} /> Use {String(last)} again, as in the last run
              </DropdownMenu.Item>
            )}
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </>
  );
}
