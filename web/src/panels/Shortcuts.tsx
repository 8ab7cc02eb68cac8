import { Dialog } from "radix-ui";
import { useState } from "react";
import { filterTexts } from "../model/search";
import { COMMANDS, keyLabel } from "../store/commands";
import { useUi } from "../store/ui";

const MOUSE: readonly (readonly [string, string])[] = [
  ["Double-click the canvas", "Add a node"],
  ["Drop a link on empty space", "Add a node that takes it"],
  ["Drag a node onto a link", "Put it in"],
  ["Double-click a link", "Reroute"],
  ["Drag an input's end off", "Disconnect"],
  ["Space or middle drag", "Pan"],
  ["Drag a number", "Change it; Shift finer, Ctrl coarser"],
  ["Ctrl+↑ / Ctrl+↓ in a prompt", "Weigh the selected words"],
  ["Arrows, Enter, Esc", "Walk the nodes, go into one, come out"],
  ["C", "Link the selected node by name"],
  ["Esc Esc", "Cancel the run"],
];

export default function Shortcuts() {
  const [text, setText] = useState("");
  const close = () => useUi.setState({ shortcuts: false });
  const found = filterTexts(
    COMMANDS.filter((one) => one.keys.length),
    text,
    (one) => one.label,
  );
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog" aria-describedby={undefined}>
          <Dialog.Title>Keyboard and mouse</Dialog.Title>
          <input
            className="filter"
            type="text"
            placeholder="Filter"
            aria-label="Filter shortcuts"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <dl className="shortcuts">
            {found.map((one) => (
              <div key={one.id}>
                <dt>{one.label}</dt>
                <dd>
                  {one.keys.map((keys) => (
                    <kbd key={keys}>{keyLabel(keys)}</kbd>
                  ))}
                </dd>
              </div>
            ))}
            {!text &&
              MOUSE.map(([how, what]) => (
                <div key={how}>
                  <dt>{what}</dt>
                  <dd>{how}</dd>
                </div>
              ))}
          </dl>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
