import { Dialog } from "radix-ui";
import { type Theme, useUi } from "../store/ui";

const THEMES: readonly Theme[] = ["dark", "light", "system"];

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
      <fieldset>
        <legend>Theme</legend>
        {THEMES.map((one) => (
          <label key={one}>
            <input type="radio" name="theme" checked={theme === one} onChange={() => useUi.setState({ theme: one })} />{" "}
            {one}
          </label>
        ))}
      </fieldset>
      <Check label="Minimap" on={minimap} onChange={(on) => useUi.setState({ minimap: on })} />
      <Check label="Snap nodes to the grid" on={snap} onChange={(on) => useUi.setState({ snap: on })} />
      <Check
        label="Two fingers pan (trackpad); pinch or Ctrl zooms"
        on={trackpad}
        onChange={(on) => useUi.setState({ trackpad: on })}
      />
      <Check label="Straight links" on={straight} onChange={(on) => useUi.setState({ straight: on })} />
      {"Notification" in window && (
        <button type="button" className="quiet" onClick={() => void Notification.requestPermission()}>
          Tell me when a run is done in the background
        </button>
      )}
    </div>
  );
}

function Check({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <label className="check">
      <input type="checkbox" checked={on} onChange={(event) => onChange(event.currentTarget.checked)} /> {label}
    </label>
  );
}
