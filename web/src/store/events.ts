import { getHistoryEntry, type HistoryEntry, type ImageRef } from "../api/rest";
import { asNumber, asText, isList, isObject, type JsonObject } from "../model/json";
import { flameOf, type Timed } from "../model/trace";
import { shownIn } from "../model/upTo";
import { learn, weigh } from "./costs";
import { showTab } from "./docs";
import {
  changeJob,
  changeRun,
  dropPreviews,
  emptyRun,
  forgetOldJobs,
  type Job,
  type NodeRun,
  runOf,
  setNode,
  showPreview,
  type TabRun,
  useExec,
} from "./exec";
import { goToNode } from "./focus";
import { readPlaces } from "./places";
import { report, toast, useUi } from "./ui";

/* What the server tells of our jobs while they run, and what it makes of the nodes' state. */

/** Events of jobs that the server has taken and has not told us of yet. */
const early = new Map<string, [string, JsonObject][]>();
const EARLY_LIMIT = 500;
let asking = 0;

/** Asks the server for jobs. What happens to them before it answers is kept, for `begun`. */
export async function keepingEarly<T>(ask: () => Promise<T>): Promise<T> {
  asking++;
  try {
    return await ask();
  } finally {
    asking--;
    if (!asking) early.clear();
  }
}

/** Tells what has happened to a job that is known from now on. */
export function begun(id: string): void {
  const events = early.get(id) ?? [];
  early.delete(id);
  for (const [type, data] of events) onEvent(type, data);
}

export function onEvent(type: string, data: JsonObject): void {
  if (type === "status") {
    const status = isObject(data.status) ? data.status : {};
    const info = isObject(status.exec_info) ? status.exec_info : {};
    useExec.setState(({ queueNews }) => ({
      remaining: asNumber(info.queue_remaining),
      queueNews: queueNews + 1,
    }));
    void readPlaces();
    return;
  }
  const id = asText(data.prompt_id);
  if (!id) return;
  const job = useExec.getState().jobs[id];
  const list = early.get(id) ?? [];
  if (job) tell(job, type, data);
  else if (asking && list.length < EARLY_LIMIT) early.set(id, [...list, [type, data]]);
}

export function onPreview(image: Blob, about: { readonly node?: string; readonly prompt?: string }): void {
  const job = about.prompt ? useExec.getState().jobs[about.prompt] : currentJob();
  const node = about.node ?? (job && runningNode(job));
  if (job && node) void showPreview(job.tab, node, image);
}

export function currentJob(): Job | undefined {
  const { current, jobs } = useExec.getState();
  return current ? jobs[current] : undefined;
}

function runningNode(job: Job): string | undefined {
  const nodes = runOf(useExec.getState(), job.tab).nodes;
  return Object.keys(nodes).find((id) => nodes[id]?.state === "running");
}

/** Makes of an event of a job what it means for the job and its nodes. */
export function tell(job: Job, type: string, data: JsonObject): void {
  HANDLERS[type]?.(job, data);
}

const HANDLERS: Readonly<Record<string, (job: Job, data: JsonObject) => void>> = {
  execution_start: (job) => {
    dropPreviews(job.tab);
    changeRun(job.tab, (run) => freshRun(run, job));
    changeJob(job.id, (one) => ({ ...one, state: "running", startedAt: Date.now(), weights: weigh(one.types) }));
    useExec.setState({ current: job.id });
  },
  execution_cached: (job, data) => {
    for (const node of isList(data.nodes) ? data.nodes : []) setNode(job.tab, String(node), { state: "cached" });
  },
  executing: (job, data) => {
    if (data.node === null || data.node === undefined) return finish(job, "done");
    closeRunning(job.tab);
    markRunning(job, asText(data.display_node) || String(data.node));
  },
  progress: (job, data) => {
    const node = asText(data.node);
    if (node) progress(job, node, asNumber(data.value), asNumber(data.max));
  },
  progress_state: (job, data) => {
    for (const [id, raw] of Object.entries(isObject(data.nodes) ? data.nodes : {})) {
      if (!isObject(raw)) continue;
      if (raw.state === "finished") markDone(job, id);
      else if (raw.state === "running") progress(job, id, asNumber(raw.value), asNumber(raw.max));
    }
  },
  executed: (job, data) =>
    showOutput(job, asText(data.display_node) || String(data.node), isObject(data.output) ? data.output : {}),
  execution_success: (job) => finish(job, "done"),
  execution_error: (job, data) => {
    const id = String(data.node_id);
    const message = asText(data.exception_message, "It failed.").trim();
    const trace = isList(data.traceback) ? data.traceback.map(String) : [];
    setNode(job.tab, id, { state: "error", message, trace });
    toast(`${asText(data.node_type, "A node")}: ${message.split("\n")[0]}`, "error", {
      label: "Show",
      run: () => goToNode(id),
    });
    finish(job, "failed");
  },
  execution_interrupted: (job) => {
    toast("Cancelled.");
    finish(job, "cancelled");
  },
};

function freshRun(run: TabRun, job: Job): TabRun {
  const nodes: Record<string, NodeRun> = Object.fromEntries(
    Object.entries(run.nodes).filter(([, node]) => node.state === "skipped" || node.state === "error"),
  );
  for (const id of job.nodes) if (!nodes[id]) nodes[id] = { state: "queued" };
  return { ...emptyRun, nodes, images: run.images, makers: run.makers, aspects: run.aspects, seeds: run.seeds };
}

function markRunning(job: Job, id: string): void {
  const known = runOf(useExec.getState(), job.tab).nodes[id];
  if (known?.state !== "running") setNode(job.tab, id, { state: "running", since: performance.now() });
}

function progress(job: Job, id: string, value: number, max: number): void {
  const known = runOf(useExec.getState(), job.tab).nodes[id];
  if (known?.state === "done") return;
  setNode(job.tab, id, { state: "running", since: known?.since ?? performance.now(), value, max });
}

function markDone(job: Job, id: string): void {
  const known = runOf(useExec.getState(), job.tab).nodes[id];
  if (known?.state === "done" || known?.state === "cached") return;
  const since = known?.since;
  const ms = since === undefined ? undefined : performance.now() - since;
  setNode(job.tab, id, known?.state === "running" ? { state: "done", since, ms } : { state: "cached" });
}

function closeRunning(tab: string): void {
  const { nodes } = runOf(useExec.getState(), tab);
  for (const [id, node] of Object.entries(nodes)) {
    const { since = performance.now() } = node;
    if (node.state === "running") setNode(tab, id, { state: "done", since, ms: performance.now() - since });
  }
}

/** Shows all that a job has made. */
export function showOutputs(job: Job, entry: HistoryEntry | undefined): void {
  for (const [id, output] of Object.entries(entry?.outputs ?? {})) showOutput(job, id, output);
}

function showOutput(job: Job, by: string, output: JsonObject): void {
  const id = shownIn(by);
  const images = isList(output.images) ? output.images.filter(isObject) : [];
  const text = isList(output.text) ? output.text.map(String).join("\n") : "";
  if (images.length)
    changeRun(job.tab, (run) => ({
      ...run,
      images: { ...run.images, [id]: images as unknown as ImageRef[] },
      makers: { ...run.makers, [id]: job.id },
    }));
  if (text) changeRun(job.tab, (run) => ({ ...run, texts: { ...run.texts, [id]: text } }));
}

export function finish(job: Job, state: Job["state"]): void {
  const known = useExec.getState().jobs[job.id];
  if (!known || known.endedAt) return;
  if (state === "done") closeRunning(job.tab);
  const times = timesOf(job);
  const flame = flameOf(times);
  learn(times.flatMap(({ path, ms }) => (ms === undefined ? [] : [[job.types[path] ?? "", ms]])));
  changeRun(job.tab, (run) => ({
    ...run,
    nodes: Object.fromEntries(
      Object.entries(run.nodes).filter(
        ([, node]) => node.state !== "queued" && (node.state !== "running" || state === "done"),
      ),
    ),
  }));
  changeJob(job.id, (one) => ({ ...one, state, endedAt: Date.now(), flame }));
  if (known.missed) void getHistoryEntry(job.id).then((entry) => showOutputs(job, entry), report);
  forgetOldJobs();
  useExec.setState((all) => ({
    current: all.current === job.id ? undefined : all.current,
    finished: all.finished + 1,
  }));
  if (state === "failed" || (state === "done" && !anyOpen())) notify(job, state);
}

function timesOf(job: Job): readonly Timed[] {
  const { nodes } = runOf(useExec.getState(), job.tab);
  return job.nodes.flatMap((path) => {
    const node = nodes[path];
    return node ? [{ path, since: node.since, ms: node.ms, cached: node.state === "cached" }] : [];
  });
}

/** Browsers on Android have the class, but let no page make one. */
function sayOutside(body: string): Notification | undefined {
  try {
    return new Notification("Sfumato", { body, tag: "run" });
  } catch {
    return undefined;
  }
}

const anyOpen = () => Object.values(useExec.getState().jobs).some((job) => !job.endedAt);

/** Tells one who looks elsewhere of a failure, and of the end of all that was to be run. */
function notify(job: Job, state: Job["state"]): void {
  if (!document.hidden) return;
  if (!useUi.getState().notify || !("Notification" in window) || Notification.permission !== "granted") return;
  const said = sayOutside(`${job.title} ${state === "done" ? "is done" : "failed"}.`);
  if (!said) return;
  said.onclick = () => {
    window.focus();
    showTab(job.tab);
    said.close();
  };
}
