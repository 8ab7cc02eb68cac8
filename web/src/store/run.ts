import * as rest from "../api/rest";
import { afterRun } from "../model/afterRun";
import { asText, isObject } from "../model/json";
import { inTurn } from "../model/order";
import { knownPart, toPrompt } from "../model/prompt";
import { saveEditorFile } from "../model/saveFile";
import { upTo } from "../model/upTo";
import { activeTab, amend, docOf, endGesture, type Tab, tabById, useDocs } from "./docs";
import { currentJob } from "./events";
import { changeRun } from "./exec";
import { begin, clientId, taking } from "./jobs";
import { useLibrary } from "./library";
import { check, showProblems } from "./problems";
import { seedsOf } from "./seeds";
import { report, toast, useUi } from "./ui";

interface RunOptions {
  readonly front?: boolean;
  /** The node of the prompt that the run ends at. */
  readonly upTo?: string;
}

/** Sends the document of the tab in view, as often as the batch says. */
export function run(options: RunOptions = {}): Promise<void> {
  endGesture();
  const { id } = activeTab();
  const often = options.upTo === undefined ? useUi.getState().batch : 1;
  return sending(async () => {
    for (let i = 0; i < often; i++) {
      const tab = tabById(id);
      if (!tab || !(await runOnce(tab, options))) return;
    }
  });
}

/** What follows a run, another seed say, comes with the server's answer, and is for the next run to send. */
const sending = inTurn();

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
    const accepted = await taking(async () => {
      const answer = await rest.submit({ prompt, workflow, clientId: clientId(), title: tab.name, front, targets });
      begin(tab, answer.prompt_id, prompt, skipped);
      return answer;
    });
    const seeds = seedsOf(prompt).map(({ path, widget, value }) => [`${path} ${widget}`, value]);
    changeRun(tab.id, (run) => ({ ...run, seeds: { ...run.seeds, ...Object.fromEntries(seeds) } }));
    showProblems(tab, accepted.node_errors);
    amend(tab.id, (present) => afterRun(present, catalogue, Math.random, doc));
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
    await taking(async () => {
      const accepted = await rest.submit({ prompt, workflow, clientId: clientId(), title });
      if (tab) begin(tab, accepted.prompt_id, prompt, []);
    });
  } catch (error) {
    report(error);
  }
}
