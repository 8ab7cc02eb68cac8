import { GripVertical, RotateCcw, Square, Trash2, TriangleAlert } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { getJobEvents, type HistoryEntry, type ImageRef, type QueueItem } from "../api/rest";
import { duration } from "../model/duration";
import { leftOf } from "../model/progress";
import type { Prompt } from "../model/prompt";
import { endingOf, jobDetail, jobName, toldProgress } from "../model/queue";
import { progressOfJob, runOf, useExec, watchPreview } from "../store/exec";
import { goToNode } from "../store/focus";
import { forgetJob, removeFromQueue, stopJob } from "../store/queue";
import { resubmit } from "../store/run";
import { FlameBar } from "./FlameBar";
import { PictureStrip } from "./PictureStrip";
import type { useReorder } from "./useReorder";

export function RunningJob({ item }: { item: QueueItem }) {
  const job = useExec((state) => state.jobs[item.id]);
  const mine = useExec((state) => progressOfJob(state, item.id));
  const theirs = useToldProgress(item, job === undefined);
  const progress = mine ?? theirs.progress;
  const elapsed = useElapsed(job?.startedAt ?? theirs.since);
  const ours = useExec((state) => job && leftOf(job.weights, runOf(state, job.tab).nodes, performance.now()));
  const left = job ? ours : restOf(progress, elapsed);
  const name = job?.title ?? jobName(item.prompt, item.extra);
  return (
    <article className="job running" aria-label={`${name}, running`}>
      <div className="job-line">
        {job && <LiveThumb tab={job.tab} />}
        <strong title={name}>{name}</strong>
        <button
          type="button"
          className="icon"
          title="Cancel"
          aria-label={`Cancel ${name}`}
          onClick={() => void stopJob(item.id)}
        >
          <Square size={14} />
        </button>
      </div>
      <Detail prompt={item.prompt} />
      <progress value={progress} max={1} aria-label={`${name}, progress`} />
      <small>
        {Math.round(progress * 100)} %{elapsed > 0 && ` · ${duration(elapsed)}`}
        {left !== undefined && ` · about ${duration(left)} left`}
      </small>
    </article>
  );
}

const TOO_EARLY = 0.05;

/** What is left of a run of which only its share done is known. */
const restOf = (progress: number, elapsed: number) =>
  progress > TOO_EARLY && elapsed > 0 ? (elapsed / progress) * (1 - progress) : undefined;

/** What the running node draws, as small as a stamp. */
function LiveThumb({ tab }: { tab: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [shown, setShown] = useState(false);
  const node = useExec((state) => {
    const { nodes, texts } = runOf(state, tab);
    return Object.keys(nodes).find((id) => nodes[id]?.state === "running" && texts[`${id} preview`]);
  });
  useEffect(() => {
    if (node === undefined) return;
    return watchPreview(tab, node, (image) => {
      const target = canvas.current;
      if (!target || !image.width) return;
      target.width = image.width;
      target.height = image.height;
      target.getContext("2d")?.drawImage(image, 0, 0);
      setShown(true);
    });
  }, [tab, node]);
  return <canvas ref={canvas} className="live-thumb" hidden={!shown} aria-hidden />;
}

function useElapsed(since: number | undefined): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return since === undefined ? 0 : Math.max(0, now - since);
}

const ASK_AGAIN_MS = 1000;

/** The progress of a job that another window or program sent: the server tells its events to who asks. */
function useToldProgress(item: QueueItem, asked: boolean) {
  const [told, setTold] = useState<ReturnType<typeof toldProgress>>({ progress: 0, since: undefined });
  useEffect(() => {
    if (!asked) return;
    const nodes = Object.keys(item.prompt).length;
    const look = () =>
      // Without an answer the last one stands: the banner says that the server is gone.
      getJobEvents(item.id).then(
        (events) => setTold(toldProgress(events, nodes)),
        () => undefined,
      );
    void look();
    const timer = setInterval(look, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [item, asked]);
  return told;
}

interface WaitingProps {
  readonly item: QueueItem;
  readonly place: number;
  readonly count: number;
  readonly sort: ReturnType<typeof useReorder>;
}

export function WaitingJob({ item, place, count, sort }: WaitingProps) {
  const title = useExec((state) => state.jobs[item.id]?.title);
  const name = title ?? jobName(item.prompt, item.extra);
  return (
    <article
      className={sort.dragged === item.id ? "job waiting dragged" : "job waiting"}
      aria-label={`${name}, waiting, place ${place} of ${count}`}
      data-sort={item.id}
      onKeyDown={sort.keys(item.id)}
    >
      <div className="job-line">
        {count > 1 && (
          <button
            type="button"
            className="icon grip"
            title="Drag, or press up and down, to change its place"
            aria-label={`Move ${name}, place ${place} of ${count}`}
            {...sort.handle(item.id)}
          >
            <GripVertical size={14} />
          </button>
        )}
        <span className="place">{place}</span>
        <strong title={name}>{name}</strong>
        <button
          type="button"
          className="icon"
          title="Remove"
          aria-label={`Remove ${name}`}
          onClick={() => void removeFromQueue([item.id])}
        >
          <Trash2 size={14} />
        </button>
      </div>
      <Detail prompt={item.prompt} />
    </article>
  );
}

export function DoneJob({ entry }: { entry: HistoryEntry }) {
  const job = useExec((state) => state.jobs[entry.id]);
  const { how, ms, why, node, cached } = endingOf(entry.status);
  const name = job?.title ?? jobName(entry.prompt, entry.extra);
  const again = how === "done" ? "Run again" : "Retry";
  const pictures = picturesIn(entry);
  return (
    <article className={`job ${how}`} aria-label={`${name}, ${how}`}>
      <div className="job-line">
        <strong title={name}>{name}</strong>
        <small>
          {how !== "done" && <b>{how}</b>} {ms !== undefined && duration(ms)}
        </small>
        <button
          type="button"
          className="icon"
          title={again}
          aria-label={`${again}: ${name}`}
          onClick={() => void resubmit(entry)}
        >
          <RotateCcw size={14} />
        </button>
        <button
          type="button"
          className="icon"
          title="Take out of the history"
          aria-label={`Take ${name} out of the history`}
          onClick={() =>
            void forgetJob(
              entry.id,
              pictures.filter((one) => one.type === "output"),
            )
          }
        >
          <Trash2 size={14} />
        </button>
      </div>
      <Detail prompt={entry.prompt} />
      {why && (
        <p className="why">
          <TriangleAlert size={12} /> {why}
          {job && node && (
            <button type="button" className="plain" onClick={() => goToNode(node)}>
              Show
            </button>
          )}
        </p>
      )}
      {job?.flame && job.flame.spans.length > 0 ? (
        <FlameBar flame={job.flame} prompt={entry.prompt} />
      ) : (
        cached > 0 && how === "done" && <small className="cached-note">{cached} from the cache</small>
      )}
      <PictureStrip items={pictures.map((image) => ({ image, job: entry.id }))} />
    </article>
  );
}

function Detail({ prompt }: { prompt: Prompt }) {
  const detail = jobDetail(prompt);
  return detail ? (
    <small className="detail" title={detail}>
      {detail}
    </small>
  ) : null;
}

const picturesIn = (entry: HistoryEntry): readonly ImageRef[] =>
  Object.values(entry.outputs).flatMap((output) => output.images ?? []);
