import * as rest from "../api/rest";
import { connectEvents } from "../api/ws";
import { afterRun } from "../model/afterRun";
import { asNumber, asText, isList, isObject, type JsonObject } from "../model/json";
import { knownPart, type Prompt, toPrompt, typesIn } from "../model/prompt";
import { saveEditorFile } from "../model/saveFile";
import { flameOf, type Timed } from "../model/trace";
import { shownIn, upTo } from "../model/upTo";
import { learn, weigh } from "./costs";
import { activeTab, amend, docOf, endGesture, newId, showTab, type Tab, useDocs } from "./docs";
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
import { useLibrary } from "./library";
import { check, showProblems } from "./problems";
import { seedsOf } from "./seeds";
import { report, toast, useUi } from "./ui";

const CLIENT = "sfumato.client";

/** The name under which the server knows this window; a reload keeps it, another window has its own. */
function clientId(): string {
  const known = sessionStorage.getItem(CLIENT) ?? newId();
  sessionStorage.setItem(CLIENT, known);
  return known;
}

export function startEvents(): () => void {
  return connectEvents(clientId(), {
    onEvent,
    onPreview: (image, about) => {
      const job = about.prompt ? useExec.getState().jobs[about.prompt] : currentJob();
      const node = about.node ?? (job && runningNode(job));
      if (job && node) void showPreview(job.tab, node, image);
    },
    onOpen: (again) => {
      useExec.setState({ online: true, everOnline: true, retryAt: undefined });
      if (again) void resync();
    },
    onClose: (retry) => useExec.setState({ online: false, retryAt: Date.now() + retry }),
  });
}

function currentJob(): Job | undefined {
  const { current, jobs } = useExec.getState();
  return current ? jobs[current] : undefined;
}

function runningNode(job: Job): string | undefined {
  const nodes = runOf(useExec.getState(), job.tab).nodes;
  return Object.keys(nodes).find((id) => nodes[id]?.state === "running");
}

interface RunOptions {
  readonly front?: boolean;
  /** The node of the prompt that the run ends at. */
  readonly upTo?: string;
}

/** Sends the document of the tab in view, as often as the batch says. */
export async function run(options: RunOptions = {}): Promise<void> {
  endGesture();
  const { batch } = useUi.getState();
  for (let i = 0; i < (options.upTo === undefined ? batch : 1); i++) if (!(await runOnce(activeTab(), options))) return;
}

async function runOnce(tab: Tab, { front, upTo: end }: RunOptions): Promise<boolean> {
  const { catalogue } = useLibrary.getState();
  const doc = docOf(tab);
  const whole = toPrompt(doc, { catalogue, random: Math.random, now: new Date() });
  const { prompt: known, skipped } = knownPart(whole, catalogue);
  const part = end === undefined ? undefined : upTo(known, end, catalogue);
  if (end !== undefined && !part) {
    toast("This node is not run: it is bypassed or muted, or needs a node that is missing here.", "error");
    return false;
  }
  const prompt = part?.prompt ?? known;
  const targets = part && [part.target];
  const ready = check(tab, prompt, skipped);
  if (!ready) return false;
  try {
    const workflow = saveEditorFile(doc, catalogue);
    const accepted = await rest.submit({ prompt, workflow, clientId: clientId(), title: tab.name, front, targets });
    begin(tab, accepted.prompt_id, prompt, skipped);
    const seeds = seedsOf(prompt).map(({ path, widget, value }) => [`${path} ${widget}`, value]);
    changeRun(tab.id, (run) => ({ ...run, seeds: { ...run.seeds, ...Object.fromEntries(seeds) } }));
    showProblems(tab, accepted.node_errors);
    amend(tab.id, (present) => afterRun(present, catalogue, Math.random));
    return true;
  } catch (error) {
    const body = error instanceof rest.ServerError && isObject(error.body) ? error.body : {};
    const problems = isObject(body.node_errors) ? body.node_errors : {};
    showProblems(tab, problems as unknown as rest.Accepted["node_errors"]);
    // Where nodes say what is wrong with them, the sum of it says nothing more.
    if (!Object.keys(problems).length) report(error);
    return false;
  }
}

function begin(tab: Tab, id: string, prompt: Prompt, skipped: readonly string[]): void {
  const types = typesIn(prompt);
  const mine = { tab: tab.id, title: tab.name, nodes: Object.keys(prompt), types, weights: weigh(types) };
  const job: Job = { id, ...mine, state: "queued", queuedAt: Date.now() };
  // The server may have begun, or even ended, before its answer to us came.
  useExec.setState((state) => ({
    jobs: { ...state.jobs, [id]: { ...job, ...state.jobs[id], ...mine } },
  }));
  for (const path of skipped)
    setNode(tab.id, path, { state: "skipped", message: "Left out: it needs a node that is missing here." });
  const early = pending.get(id);
  pending.delete(id);
  for (const [type, data] of early ?? []) onEvent(type, data);
  void readPlaces();
}

/** Of many changes in a row, the server is asked once: the queue is told with all that waits in it. */
const SETTLES_MS = 100;
let reading = false;
let readAgain = false;

/** Asks the server in which order it will run what waits, while something of ours does. */
async function readPlaces(): Promise<void> {
  readAgain = true;
  if (reading) return;
  reading = true;
  try {
    while (readAgain) {
      await new Promise((done) => setTimeout(done, SETTLES_MS));
      readAgain = false;
      const waits = Object.values(useExec.getState().jobs).some((job) => job.state === "queued");
      const pending = waits ? (await rest.getQueue()).pending.map((item) => item.id) : [];
      if (pending.join() !== useExec.getState().pending.join()) useExec.setState({ pending });
    }
  } catch {
    // Of a server that is away the banner tells; when it is back it says how the queue stands.
  } finally {
    reading = false;
  }
}

/** Events of jobs whose POST has not been answered yet. */
const pending = new Map<string, [string, JsonObject][]>();
const PENDING_LIMIT = 500;

function onEvent(type: string, data: JsonObject): void {
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
  if (!job) {
    const list = pending.get(id) ?? [];
    if (list.length < PENDING_LIMIT) pending.set(id, [...list, [type, data]]);
    return;
  }
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

function showOutput(job: Job, by: string, output: JsonObject): void {
  const id = shownIn(by);
  const images = isList(output.images) ? output.images.filter(isObject) : [];
  const text = isList(output.text) ? output.text.map(String).join("\n") : "";
  if (images.length)
    changeRun(job.tab, (run) => ({
      ...run,
      images: { ...run.images, [id]: images as unknown as rest.ImageRef[] },
      makers: { ...run.makers, [id]: job.id },
    }));
  if (text) changeRun(job.tab, (run) => ({ ...run, texts: { ...run.texts, [id]: text } }));
}

function finish(job: Job, state: Job["state"]): void {
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
  forgetOldJobs();
  useExec.setState((all) => ({
    current: all.current === job.id ? undefined : all.current,
    finished: all.finished + 1,
  }));
  if (state !== "cancelled" && document.hidden) notify(job, state);
}

function timesOf(job: Job): readonly Timed[] {
  const { nodes } = runOf(useExec.getState(), job.tab);
  return job.nodes.flatMap((path) => {
    const node = nodes[path];
    return node ? [{ path, since: node.since, ms: node.ms, cached: node.state === "cached" }] : [];
  });
}

function notify(job: Job, state: Job["state"]): void {
  if (!useUi.getState().notify || !("Notification" in window) || Notification.permission !== "granted") return;
  const said = new Notification("Sfumato", { body: `${job.title} ${state === "done" ? "is done" : "failed"}.` });
  said.onclick = () => {
    window.focus();
    showTab(job.tab);
    said.close();
  };
}

/** After a reload: takes up the jobs that this window had sent and that are not done. */
export async function adopt(): Promise<void> {
  try {
    const queue = await rest.getQueue();
    const mine = clientId();
    for (const [items, state] of [
      [queue.running, "running"],
      [queue.pending, "queued"],
    ] as const) {
      for (const item of items) {
        const info = isObject(item.extra.extra_pnginfo) ? item.extra.extra_pnginfo : {};
        const workflow = isObject(info.workflow) ? asText(info.workflow.id) : "";
        const tab = useDocs.getState().tabs.find((one) => docOf(one).id === workflow);
        if (item.extra.client_id !== mine || !tab || useExec.getState().jobs[item.id]) continue;
        if (state === "running") useExec.setState({ current: item.id });
        begin(tab, item.id, item.prompt, []);
        if (state === "running") changeJob(item.id, (job) => ({ ...job, state, startedAt: Date.now() }));
      }
    }
  } catch (error) {
    report(error);
  }
}

/** After a time without events: what became of the jobs we wait for. */
async function resync(): Promise<void> {
  const waiting = Object.values(useExec.getState().jobs).filter((job) => !job.endedAt);
  if (!waiting.length) return;
  try {
    const queue = await rest.getQueue();
    const running = new Set(queue.running.map((item) => item.id));
    const queued = new Set(queue.pending.map((item) => item.id));
    for (const job of waiting) {
      if (queued.has(job.id)) continue;
      if (running.has(job.id)) {
        useExec.setState({ current: job.id });
        changeJob(job.id, (one) => ({ ...one, state: "running", startedAt: one.startedAt ?? Date.now() }));
        continue;
      }
      const entry = await rest.getHistoryEntry(job.id);
      for (const [id, output] of Object.entries(entry?.outputs ?? {})) showOutput(job, id, output);
      finish(job, entry && entry.status.status_str === "success" ? "done" : "failed");
    }
  } catch (error) {
    report(error);
  }
}

export async function cancel(): Promise<void> {
  const job = currentJob();
  try {
    await rest.interrupt(job?.id);
  } catch (error) {
    report(error);
  }
}

/** Sends a job that has ended once more, for the document that it was made of where that is open. */
export async function resubmit({ prompt, extra }: Pick<rest.QueueItem, "prompt" | "extra">): Promise<void> {
  const info = isObject(extra.extra_pnginfo) ? extra.extra_pnginfo : {};
  const workflow = isObject(info.workflow) ? info.workflow : {};
  const tab = workflow.id ? useDocs.getState().tabs.find((one) => docOf(one).id === workflow.id) : undefined;
  try {
    const title = asText(extra.title) || undefined;
    const accepted = await rest.submit({ prompt, workflow, clientId: clientId(), title });
    if (tab) begin(tab, accepted.prompt_id, prompt, []);
    else pending.delete(accepted.prompt_id);
  } catch (error) {
    report(error);
  }
}
