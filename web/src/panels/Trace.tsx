import { Dialog } from "radix-ui";
import { useUi } from "../store/ui";

export function Trace() {
  const trace = useUi((state) => state.trace);
  const close = () => useUi.setState({ trace: undefined });
  return (
    <Dialog.Root open={trace !== undefined} onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog" aria-describedby={undefined}>
          <Dialog.Title>{trace?.title}</Dialog.Title>
          <pre className="trace">{trace?.lines.join("")}</pre>
          <footer>
            <button
              type="button"
              className="quiet"
              onClick={() => void navigator.clipboard.writeText(`${trace?.title}\n${trace?.lines.join("")}`)}
            >
              Copy
            </button>
            <button type="button" className="run" onClick={close}>
              Close
            </button>
          </footer>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
