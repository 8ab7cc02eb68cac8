import { Pause, Play } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { getHistory, getQueue, type HistoryEntry, type Queue as QueueState } from "../api/rest";
import { duration } from "../model/duration";
import { newest } from "../model/order";
import { endingOf, usualMs } from "../model/queue";
import { useExec } from "../store/exec";
import { moveInQueue, removeFromQueue, setPaused } from "../store/queue";
import { report } from "../store/ui";
import { DoneJob, RunningJob, WaitingJob } from "./JobCards";
import { useReorder } from "./useReorder";

const REMEMBERED = 30;

/** What runs, what waits in an order of one's choosing, and what has run lately. */
export default function Queue() {
  const news = useExec((state) => state.queueNews + state.finished);
  const current = useExec((state) => state.current);
  const [queue, setQueue] = useState<QueueState>({ running: [], pending: [], paused: "" });
  const [done, setDone] = useState<readonly HistoryEntry[]>([]);
  const read = useMemo(() => newest(getQueue, setQueue, report), []);
  const readDone = useMemo(() => newest(() => getHistory(REMEMBERED), setDone, report), []);
  useEffect(() => void read(), [read, news, current]);
  useEffect(() => void readDone(), [readDone, news]);
  const { running, pending, paused } = queue;
  const ids = useMemo(() => pending.map((item) => item.id), [pending]);
  const sort = useReorder(ids, async (id, _, before) => {
    await moveInQueue(id, before ?? null);
    await read();
  });
  const usual = usualMs(done.map((entry) => endingOf(entry.status)));
  const items = sort.order.flatMap((id) => pending.find((item) => item.id === id) ?? []);
  return (
    <>
      {paused && (
        <div className="paused" role="status">
          <p>
            <strong>The queue is paused.</strong> {paused !== "Paused." && paused}
          </p>
          <button type="button" className="quiet" onClick={() => void setPaused(false).then(read)}>
            <Play size={14} /> Resume
          </button>
        </div>
      )}
      {running.map((item) => (
        <RunningJob key={item.id} item={item} />
      ))}
      {pending.length > 0 && (
        <header className="list-head">
          <h3>
            {pending.length} waiting{usual !== undefined && !paused && ` · about ${duration(usual * pending.length)}`}
          </h3>
          {!paused && (
            <button type="button" className="plain" onClick={() => void setPaused(true).then(read)}>
              <Pause size={12} /> Pause
            </button>
          )}
          <button type="button" className="plain" onClick={() => void removeFromQueue(ids).then(read)}>
            Clear
          </button>
        </header>
      )}
      <div ref={sort.list}>
        {items.map((item, i) => (
          <WaitingJob key={item.id} item={item} place={i + 1} count={items.length} sort={sort} />
        ))}
      </div>
      <p role="status" className="unseen">
        {sort.said}
      </p>
      {done.length > 0 && (
        <header className="list-head">
          <h3>Done</h3>
        </header>
      )}
      {done.map((entry) => (
        <DoneJob key={entry.id} entry={entry} />
      ))}
      {!running.length && !pending.length && !done.length && (
        <p className="hint">Nothing runs. Ctrl+Enter runs the workflow in view.</p>
      )}
    </>
  );
}
