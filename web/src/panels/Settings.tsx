import { Dialog } from "radix-ui";
import { type ReactNode, useId, useState } from "react";
import { setTheme, setToggle, THEMES, TOGGLES } from "../store/settings";
import { useUi } from "../store/ui";

export default function Settings() {
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
  const ui = useUi();
  return (
    <div className="settings">
      <Row label="Theme" hint="System follows this machine.">
        <div className="segments" role="radiogroup" aria-label="Theme">
          {THEMES.map(([one, label]) => (
            // biome-ignore lint/a11y/useSemanticElements: a segmented control
            <button type="button" role="radio" aria-checked={ui.theme === one} key={one} onClick={() => setTheme(one)}>
              {label}
            </button>
          ))}
        </div>
      </Row>
      {TOGGLES.map(({ key, label, hint }) => (
        <Switch key={key} label={label} hint={hint} on={ui[key]} onChange={(on) => setToggle(key, on)} />
      ))}
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
