import { Trash2 } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { newest } from "../model/order";
import { DRAFTS_CHANGED, type Draft, discardDraft, listDrafts } from "../store/drafts";
import { openDraft } from "../store/persist";
import { report } from "../store/ui";
import { when } from "./when";

const REREAD_MS = 2000;

/** What was closed, or left by a window that is gone, before it was saved: kept in this browser until discarded. */
export function Drafts() {
  const [drafts, setDrafts] = useState<readonly Draft[]>([]);
  const read = useMemo(() => newest(listDrafts, setDrafts, report), []);
  useEffect(() => {
    void read();
    document.addEventListener(DRAFTS_CHANGED, read);
    // Nothing tells one window that another was closed or has crashed.
    const again = setInterval(read, REREAD_MS);
    return () => {
      clearInterval(again);
      document.removeEventListener(DRAFTS_CHANGED, read);
    };
  }, [read]);
  if (!drafts.length) return null;
  const then = (task: Promise<void>) => void task.then(read, report);
  return (
    <section aria-label="Drafts">
      <header className="list-head">
        <h3>Drafts in this browser</h3>
      </header>
      <ul className="files">
        {drafts.map((draft) => (
          <li key={draft.key}>
            <button type="button" className="file" onClick={() => then(openDraft(draft))}>
              {draft.name}
              <small>
                {draft.nodes === 1 ? "1 node" : `${draft.nodes} nodes`} · {when(draft.changed)}
              </small>
            </button>
            <button
              type="button"
              className="icon"
              title="Discard"
              aria-label={`Discard ${draft.name}`}
              onClick={() => then(discardDraft(draft.key))}
            >
              <Trash2 size={14} />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
