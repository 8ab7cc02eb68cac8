import { Dialog } from "radix-ui";
import { type ReactNode, useId, useState } from "react";
import { type Theme, useUi } from "../store/ui";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["dark", "Dark"],
  ["light", "Light"],
  ["system", "System"],
];

export function Settings() {
  const open = useUi((state) => state.settings);
  const close = () => useUi.setState({ settings: false });
  return (
    <Dialog.Root open={open} onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog small" aria-describedby={undefined}>
          <Dialog.Title>Settings</Dialog.Title>
          <Choices />
          <footer>
            <button type="button" className="run" onClick={close}>
              Done
            </button>
          </footer>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Choices() {
  const { theme, minimap, snap, trackpad, straight } = useUi();
  return (
    <div className="settings">
      <Row label="Theme" hint="System follows this machine.">
        <div className="segments" role="radiogroup" aria-label="Theme">
          {THEMES.map(([one, label]) => (
            // biome-ignore lint/a11y/useSemanticElements: a segmented control
            <button
              type="button"
              role="radio"
              aria-checked={theme === one}
              key={one}
              onClick={() => useUi.setState({ theme: one })}
            >
              {label}
            </button>
          ))}
        </div>
      </Row>
      <Switch
        label="Minimap"
        hint="The whole graph in the corner; drag in it to move."
        on={minimap}
        onChange={(on) => useUi.setState({ minimap: on })}
      />
      <Switch
        label="Snap to the grid"
        hint="Hold Alt while dragging to place freely."
        on={snap}
        onChange={(on) => useUi.setState({ snap: on })}
      />
      <Switch
        label="Trackpad"
        hint="Two fingers pan; pinch or Ctrl zooms."
        on={trackpad}
        onChange={(on) => useUi.setState({ trackpad: on })}
      />
      <Switch
        label="Straight links"
        hint="Right angles in place of curves."
        on={straight}
        onChange={(on) => useUi.setState({ straight: on })}
      />
      {"Notification" in window && <Notify />}
    </div>
  );
}

/** The browser asks once; what was said there can be changed there alone. */
function Notify() {
  const wanted = useUi((state) => state.notify);
  const [said, setSaid] = useState(Notification.permission);
  const hint =
    said === "denied"
      ? "The browser was told not to; change it there."
      : "When a run ends while the page is in the background.";
  const change = async (on: boolean) => {
    const answer = on && said === "default" ? await Notification.requestPermission() : said;
    setSaid(answer);
    useUi.setState({ notify: on && answer === "granted" });
  };
  return (
    <Switch
      label="Notifications"
      hint={hint}
      on={wanted && said === "granted"}
      disabled={said === "denied"}
      onChange={(on) => void change(on)}
    />
  );
}

function Row({ label, hint, children }: { label: string; hint: string; children: ReactNode }) {
  return (
    <div className="setting">
      <span>
        {label}
        <small>{hint}</small>
      </span>
      {children}
    </div>
  );
}

interface SwitchProps {
  readonly label: string;
  readonly hint: string;
  readonly on: boolean;
  readonly disabled?: boolean;
  readonly onChange: (on: boolean) => void;
}

function Switch({ label, hint, on, disabled, onChange }: SwitchProps) {
  const id = useId();
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      aria-label={label}
      aria-describedby={id}
      className="setting"
      disabled={disabled}
      onClick={() => onChange(!on)}
    >
      <span>
        {label}
        <small id={id}>{hint}</small>
      </span>
      <i className={on ? "switch on" : "switch"} />
    </button>
  );
}
