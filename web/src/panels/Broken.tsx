import { Dialog } from "radix-ui";
import { exportWorkflow } from "../store/files";

/** A screen that could not be loaded or drawn, in its place. */
export function Broken({ error, onClose }: { error: Error; onClose: () => void }) {
  return (
    <Dialog.Root open onOpenChange={onClose}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog small" aria-describedby={undefined}>
          <Dialog.Title>This could not be shown</Dialog.Title>
          <p>{error.message}</p>
          <p className="hint">Your work is kept. If the server is away, it may be there again after a moment.</p>
          <footer>
            <button type="button" className="quiet" onClick={() => window.location.reload()}>
              Reload the page
            </button>
            <button type="button" className="run" onClick={onClose}>
              Close
            </button>
          </footer>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** In the place of a workflow that cannot be drawn. Other documents are not touched by it. */
export function BrokenStage({ error, onClose }: { error: Error; onClose: () => void }) {
  return (
    <section className="empty" role="alert">
      <h1>This workflow cannot be drawn</h1>
      <p>{error.message}</p>
      <p>It is kept as it is: in the list of drafts once it is closed, and in a file if you download it.</p>
      <p>
        <button type="button" className="quiet" onClick={exportWorkflow}>
          Download it
        </button>{" "}
        <button type="button" className="quiet" onClick={onClose}>
          Close it
        </button>
      </p>
    </section>
  );
}

/** In the place of the whole page. */
export function BrokenPage({ error }: { error: Error }) {
  return (
    <main className="empty" role="alert">
      <h1>The editor met an error</h1>
      <p>{error.message}</p>
      <p>Your documents are kept in this browser and come back with the page.</p>
      <p>
        <button type="button" className="run" onClick={() => window.location.reload()}>
          Reload the page
        </button>
      </p>
    </main>
  );
}
