import { Dialog } from "radix-ui";
import { useState } from "react";
import { type Command, pressed } from "../model/keys";
import { filterTexts } from "../model/search";
import { COMMANDS, keyLabel } from "../store/commands";
import { rebind, resetKeys, useKeysOf } from "../store/keys";
import { useUi } from "../store/ui";

const MOUSE: readonly (readonly [string, string])[] = [
  ["Double-click the canvas", "Add a node"],
  ["Drop a link on empty space", "Add a node that takes it"],
  ["Drag a node onto a link", "Put it in"],
  ["Double-click a link", "Reroute"],
  ["Ctrl+right drag", "Cut the links it crosses"],
  ["Click a socket, then another", "Link them"],
  ["Drag an input's end off", "Disconnect"],
  ["Shake a node", "Take it out of its links"],
  ["Alt while dragging", "Leave grid and guides alone"],
  ["Space or middle drag", "Pan"],
  ["Drag a number", "Change it; Shift finer, Ctrl coarser"],
  ["Ctrl+↑ / Ctrl+↓ in a prompt", "Weigh the selected words"],
  ["Arrows, Enter, Esc", "Walk the nodes, go into one, come out"],
  ["C", "Link the selected node by name"],
  ["Esc Esc", "Cancel the run"],
];

const GROUPS: readonly Command["group"][] = ["Run", "Edit", "Node", "View", "File"];

export default function Shortcuts() {
  const [text, setText] = useState("");
  const close = () => useUi.setState({ shortcuts: false });
  const keysOf = useKeysOf();
  const changed = useUi((state) => Object.keys(state.keys).length > 0);
  const [waiting, setWaiting] = useState<string>();
  const found = filterTexts(
    COMMANDS.filter((one) => text || keysOf(one).length),
    text,
    (one) => one.label,
  );
  const take = (event: React.KeyboardEvent) => {
    if (waiting === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const keys = event.key === "Escape" ? undefined : pressed(event);
    if (keys) rebind(waiting, keys);
    if (keys || event.key === "Escape") setWaiting(undefined);
  };
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content
          className="dialog"
          aria-describedby={undefined}
          onKeyDown={take}
          onEscapeKeyDown={(event) => waiting !== undefined && event.preventDefault()}
        >
          <Dialog.Title>Keyboard and mouse</Dialog.Title>
          <input
            className="filter"
            type="text"
            placeholder="Filter"
            aria-label="Filter shortcuts"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <div className="shortcuts">
            {GROUPS.map((group) => (
              <Group
                key={group}
                name={group}
                commands={found.filter((one) => one.group === group)}
                waiting={waiting}
                onWait={setWaiting}
              />
            ))}
            {!text && (
              <section>
                <h3>Mouse and more</h3>
                <dl>
                  {MOUSE.map(([how, what]) => (
                    <div key={how}>
                      <dt>{what}</dt>
                      <dd>{how}</dd>
                    </div>
                  ))}
                </dl>
              </section>
            )}
            {text && !found.length && <p className="hint">Nothing fits.</p>}
          </div>
          <footer>
            {changed && (
              <button type="button" className="quiet" onClick={resetKeys}>
                Back to the usual keys
              </button>
            )}
            <button type="button" className="run" onClick={close}>
              Done
            </button>
          </footer>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

interface GroupProps {
  readonly name: string;
  readonly commands: readonly Command[];
  /** The command whose new keys are being pressed. */
  readonly waiting?: string;
  readonly onWait: (id: string | undefined) => void;
}

function Group({ name, commands, waiting, onWait }: GroupProps) {
  const keysOf = useKeysOf();
  if (!commands.length) return null;
  return (
    <section>
      <h3>{name}</h3>
      <dl>
        {commands.map((one) => (
          <div key={one.id}>
            <dt>{one.label}</dt>
            <dd>
              <button
                type="button"
                className="rebind"
                title="Change the keys"
                onClick={() => onWait(one.id)}
                onBlur={() => onWait(undefined)}
              >
                <span className="unseen">Change the keys of {one.label}: </span>
                {waiting === one.id
                  ? "Press the keys"
                  : keysOf(one).map((keys) => <kbd key={keys}>{keyLabel(keys)}</kbd>)}
                {waiting !== one.id && !keysOf(one).length && "none"}
              </button>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
