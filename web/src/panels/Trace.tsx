import { Dialog } from "radix-ui";
import { writeClipboard } from "../store/clipboard";
import { report, useUi } from "../store/ui";

export default function Trace() {
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
              onClick={() => void writeClipboard(`${trace?.title}\n${trace?.lines.join("")}`).catch(report)}
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
