import { Dialog } from "radix-ui";
import { useState } from "react";
import { type Tab, tabById } from "../store/docs";
import { saveTo } from "../store/files";
import { useUi } from "../store/ui";

export function SaveAs() {
  const open = useUi((state) => state.saveAs);
  const tab = open && tabById(open.tab);
  return tab ? <SaveDialog key={tab.id} tab={tab} changed={open.taken} /> : null;
}

function SaveDialog({ tab, changed }: { tab: Tab; changed: boolean }) {
  const [name, setName] = useState((tab.path ?? tab.name).replace(/\.json$/, ""));
  const [taken, setTaken] = useState(changed);
  const close = () => useUi.setState({ saveAs: undefined });
  const save = async () => {
    if (!name.trim()) return;
    if ((await saveTo(tab, name.trim(), taken ? "anything" : "nothing")) === "taken") setTaken(true);
    else close();
  };
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog small" aria-describedby={undefined}>
          <Dialog.Title>Save on the server</Dialog.Title>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void save();
            }}
          >
            <label>
              Name
              <input
                type="text"
                value={name}
                onChange={(event) => {
                  setName(event.currentTarget.value);
                  setTaken(false);
                }}
              />
            </label>
            <p className="hint">A slash makes a folder: portraits/ink.</p>
            {taken && (
              <p role="alert">
                {changed
                  ? `${name} was changed or deleted since you opened it. Choose another name, or replace it by yours.`
                  : `${name} exists already. Save again to replace it.`}
              </p>
            )}
            <footer>
              <button type="button" className="quiet" onClick={close}>
                Cancel
              </button>
              <button type="submit" className="run">
                {taken ? "Replace" : "Save"}
              </button>
            </footer>
          </form>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
