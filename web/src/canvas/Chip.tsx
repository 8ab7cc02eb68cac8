import { AlertTriangle, Zap } from "lucide-react";
import { useLayoutEffect, useRef } from "react";
import { duration } from "../model/duration";
import { activeTab } from "../store/docs";
import { type NodeRun, placeInQueue, useExec } from "../store/exec";

interface Props {
  readonly run?: NodeRun;
  readonly mode: number;
  readonly path: string;
}

/** In a word, what the node does in the run or did in the last one. */
export function Chip({ run, mode, path }: Props) {
  const tab = activeTab().id;
  const place = useExec((state) => placeInQueue(state, tab, path));
  if (mode === 4) return <span className="chip">bypass</span>;
  if (mode === 2) return <span className="chip">mute</span>;
  if (place !== undefined && run?.state !== "error")
    return (
      <span className="chip queued" title={`Number ${place} in the queue`}>
        queued {place}
      </span>
    );
  if (!run) return null;
  if (run.state === "running") return <span className="chip running">{percentOf(run) ?? "running"}</span>;
  if (run.state === "cached") {
    return (
      <span className="chip cached" title="Taken from the cache">
        <Zap size={11} /> cached
      </span>
    );
  }
  if (run.state === "error") {
    return (
      <span className="chip error">
        <AlertTriangle size={11} /> error
      </span>
    );
  }
  if (run.state === "queued") return <span className="chip queued">queued</span>;
  if (run.state === "skipped") return <span className="chip">left out</span>;
  return run.ms === undefined ? (
    <span className="chip done">done</span>
  ) : (
    <span className="chip done">{duration(run.ms)}</span>
  );
}

const percentOf = ({ value = 0, max }: NodeRun) => (max ? `${Math.round((100 * value) / max)} %` : undefined);

/** Tells how far a running node is in the name that it is called by, without making its card anew. */
export function SpokenProgress({ run, label }: { run: NodeRun; label: string }) {
  const here = useRef<HTMLElement>(null);
  const percent = percentOf(run);
  useLayoutEffect(() => {
    here.current?.closest(".react-flow__node")?.setAttribute("aria-label", percent ? `${label} ${percent}` : label);
  }, [percent, label]);
  return <i ref={here} hidden />;
}
