import { ArrowUpToLine, RotateCcw, Square, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { clearQueue, getHistoryEntry, getQueue, type QueueItem, type Queue as QueueState } from "../api/rest";
import { duration } from "../canvas/Chip";
import { type Job, progressOf, runOf, useExec } from "../store/exec";
import { cancel, moveToFront, removeFromQueue, resubmit } from "../store/run";
import { report } from "../store/ui";
import { PictureStrip } from "./PictureStrip";

/** What runs, what waits, and what this window has run. */
export default function Queue() {
  const remaining = useExec((state) => state.remaining);
  const finished = useExec((state) => state.finished);
  const current = useExec((state) => state.current);
  const jobs = useExec((state) => state.jobs);
  const [queue, setQueue] = useState<QueueState>({ running: [], pending: [] });
  useEffect(() => void getQueue().then(setQueue, report), [remaining, finished, current]);
  const done = Object.values(jobs)
    .filter((job) => job.endedAt)
    .reverse()
    .slice(0, 40);
  return (
    <>
      {queue.running.map((item) => (
        <Running key={item.id} item={item} job={jobs[item.id]} />
      ))}
      {queue.pending.length > 0 && (
        <header className="list-head">
          <h3>{queue.pending.length} waiting</h3>
          <button type="button" className="plain" onClick={() => void clearQueue().catch(report)}>
            Clear
          </button>
        </header>
      )}
      {queue.pending.map((item, i) => (
        <Waiting key={item.id} item={item} place={i + 1} job={jobs[item.id]} />
      ))}
      {done.length > 0 && (
        <header className="list-head">
          <h3>Done</h3>
        </header>
      )}
      {done.map((job) => (
        <Done key={job.id} job={job} />
      ))}
      {!queue.running.length && !queue.pending.length && !done.length && (
        <p className="hint">Nothing runs. Ctrl+Enter runs the workflow in view.</p>
      )}
    </>
  );
}

function Running({ item, job }: { item: QueueItem; job?: Job }) {
  const progress = useExec(progressOf) ?? 0;
  const elapsed = useElapsed(job?.startedAt);
  const left = progress > 0.05 && elapsed > 0 ? (elapsed / progress) * (1 - progress) : undefined;
  return (
    <article className="job running">
      <div className="job-line">
        <strong>{job?.title ?? "From elsewhere"}</strong>
        <button type="button" className="icon" title="Cancel" aria-label="Cancel" onClick={() => void cancel()}>
          <Square size={14} />
        </button>
      </div>
      <progress value={progress} max={1} aria-label={`${job?.title ?? item.id}, running`} />
      <small>
        {Math.round(progress * 100)} % · {duration(elapsed)}
        {left !== undefined && ` · about ${duration(left)} left`}
      </small>
    </article>
  );
}

function useElapsed(since: number | undefined): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return since === undefined ? 0 : Math.max(0, now - since);
}

function Waiting({ item, place, job }: { item: QueueItem; place: number; job?: Job }) {
  return (
    <article className="job">
      <div className="job-line">
        <span className="place">{place}</span>
        <strong>{job?.title ?? "From elsewhere"}</strong>
        {place > 1 && (
          <button
            type="button"
            className="icon"
            title="Run next"
            aria-label="Run next"
            onClick={() => void moveToFront(item)}
          >
            <ArrowUpToLine size={14} />
          </button>
        )}
        <button
          type="button"
          className="icon"
          title="Remove"
          aria-label="Remove"
          onClick={() => void removeFromQueue(item.id)}
        >
          <Trash2 size={14} />
        </button>
      </div>
    </article>
  );
}

function Done({ job }: { job: Job }) {
  const images = useExec((state) => runOf(state, job.tab).images);
  const latest = useExec(
    (state) =>
      Object.values(state.jobs)
        .filter((one) => one.tab === job.tab && one.endedAt)
        .pop()?.id === job.id,
  );
  const again = async () => {
    try {
      const entry = await getHistoryEntry(job.id);
      if (entry) await resubmit(entry, false);
    } catch (error) {
      report(error);
    }
  };
  return (
    <article className={`job ${job.state}`}>
      <div className="job-line">
        <strong>{job.title}</strong>
        <small>
          {job.state} · {duration((job.endedAt ?? 0) - (job.startedAt ?? job.queuedAt))}
        </small>
        <button type="button" className="icon" title="Run again" aria-label="Run again" onClick={() => void again()}>
          <RotateCcw size={14} />
        </button>
      </div>
      {latest && job.state === "done" && <PictureStrip images={Object.values(images).flat()} />}
    </article>
  );
}
