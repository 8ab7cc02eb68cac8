import * as rest from "../api/rest";
import { connectEvents } from "../api/ws";
import { asText, isObject } from "../model/json";
import { type Prompt, typesIn } from "../model/prompt";
import { weigh } from "./costs";
import { docOf, newId, type Tab, useDocs } from "./docs";
import { begun, finish, keepingEarly, onEvent, onPreview, showOutputs, tell } from "./events";
import { changeJob, type Job, setNode, useExec } from "./exec";
import { keepText, keptText } from "./kept";
import { readPlaces } from "./places";
import { report } from "./ui";

/* The jobs of this window: how it knows of them, and how it learns what became of them while it did not hear. */

const CLIENT = "sfumato.client";
const LONGEST_WRITE_S = 10;

/** The name under which the server knows this window; a reload keeps it, another window has its own. */
export function clientId(): string {
  const known = keptText(CLIENT, "sessionStorage") ?? newId();
  keepText(CLIENT, known, "sessionStorage");
  return known;
}

export function startEvents(): () => void {
  return connectEvents(clientId(), {
    onEvent,
    onPreview,
    onOpen: () => {
      useExec.setState(({ connections }) => ({ online: true, connections: connections + 1, retryAt: undefined }));
      void catchUp();
    },
    onClose: (retry) => useExec.setState({ online: false, retryAt: Date.now() + retry }),
  });
}

/** Asks the server for jobs and begins them: what happens to them until they are known is not lost. */
export async function taking<T>(ask: () => Promise<T>): Promise<T> {
  const { connections } = useExec.getState();
  try {
    return await keepingEarly(ask);
  } finally {
    // Nothing is told to a window that is not connected.
    if (useExec.getState().connections !== connections) void catchUp();
  }
}

/** Knows the job from now on, as one of the tab. */
export function begin(tab: Tab, id: string, prompt: Prompt, skipped: readonly string[], running = false): void {
  const types = typesIn(prompt);
  const mine = { tab: tab.id, title: tab.name, nodes: Object.keys(prompt), types, weights: weigh(types) };
  const job: Job = { id, ...mine, state: "queued", queuedAt: Date.now() };
  useExec.setState((state) => ({ jobs: { ...state.jobs, [id]: { ...job, ...state.jobs[id], ...mine } } }));
  if (running) markRunning(job);
  for (const path of skipped)
    setNode(tab.id, path, { state: "skipped", message: "Left out: it needs a node that is missing here." });
  // The server may have begun, or even ended, before its answer to us came.
  begun(id);
  void readPlaces();
}

/** After a reload: takes up the jobs that this window had sent and that are not done. */
export async function adopt(): Promise<void> {
  try {
    await taking(async () => takeUp(await rest.getQueue()));
  } catch (error) {
    report(error);
  }
}

function takeUp(queue: rest.Queue): void {
  const mine = clientId();
  for (const item of [...queue.running, ...queue.pending]) {
    const info = isObject(item.extra.extra_pnginfo) ? item.extra.extra_pnginfo : {};
    const workflow = isObject(info.workflow) ? asText(info.workflow.id) : "";
    const tab = useDocs.getState().tabs.find((one) => docOf(one).id === workflow);
    if (item.extra.client_id !== mine || !tab || useExec.getState().jobs[item.id]) continue;
    begin(tab, item.id, item.prompt, [], queue.running.includes(item));
  }
}

/** After a time in which nothing could be told: what became of the jobs we wait for. */
async function catchUp(): Promise<void> {
  const open = () => Object.values(useExec.getState().jobs).filter((job) => !job.endedAt);
  const before = open();
  if (!before.length) return;
  try {
    const queue = await rest.getQueue();
    const running = new Set(queue.running.map((item) => item.id));
    const queued = new Set(queue.pending.map((item) => item.id));
    const known = new Set(before.map((job) => job.id));
    // Those that have ended since were told of; those that came since were not asked for.
    for (const job of open().filter((one) => known.has(one.id))) {
      if (running.has(job.id)) markRunning(job);
      else if (!queued.has(job.id)) await settle(job);
    }
  } catch (error) {
    report(error);
  }
}

/** Knows of a job that it runs, and not what it has done so far. */
function markRunning({ id }: Job): void {
  useExec.setState({ current: id });
  changeJob(id, (one) => ({ ...one, state: "running", startedAt: one.startedAt ?? Date.now(), missed: true }));
}

/** Tells of a job that has ended as if we had seen it. One that left no trace was taken out of the queue. */
async function settle(job: Job): Promise<void> {
  // What has just ended is nowhere until its end is on disk.
  if (await rest.stillRuns(job.id, LONGEST_WRITE_S)) return markRunning(job);
  const entry = await rest.getHistoryEntry(job.id);
  if (useExec.getState().jobs[job.id]?.endedAt) return;
  showOutputs(job, entry);
  for (const [type, data] of entry?.status.messages ?? []) if (type !== "execution_start") tell(job, type, data);
  finish(job, entry?.status.completed ? "done" : entry ? "failed" : "cancelled");
}
