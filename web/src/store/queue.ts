import * as rest from "../api/rest";
import { inTurn } from "../model/order";
import { changeJob, useExec } from "./exec";
import { ask, report } from "./ui";

/* What a person does to the jobs of the server's queue. Each gives whether it was done. */

async function attempt(task: () => Promise<unknown>): Promise<boolean> {
  try {
    return (await task()) !== false;
  } catch (error) {
    report(error);
    return false;
  }
}

/** What is asked by two requests at once may be done in either order. */
const moving = inTurn();

/** Puts a waiting job before another one, or last. */
export const moveInQueue = (id: string, before: string | null) => moving(() => attempt(() => rest.moveJob(id, before)));

/** Stops a job, waiting or running. */
export const stopJob = (id: string) => attempt(() => rest.cancelJob(id));

/** Takes waiting jobs out of the queue. */
export function removeFromQueue(ids: readonly string[]): Promise<boolean> {
  return attempt(async () => {
    await rest.dequeue(ids);
    for (const id of ids) changeJob(id, (job) => ({ ...job, state: "cancelled", endedAt: Date.now() }));
  });
}

export const setPaused = (paused: boolean) => attempt(paused ? rest.pauseQueue : rest.resumeQueue);

const QUESTION = (files: readonly rest.ImageRef[]) => ({
  title: "Take the run out of the history?",
  text: `Its pictures leave the gallery. No file is deleted: ${nameOf(files)} in the server's output folder.`,
  yes: "Take out",
});

function nameOf([first, ...others]: readonly rest.ImageRef[]): string {
  const name = [first?.subfolder, first?.filename].filter(Boolean).join("/");
  return others.length ? `${name} and ${others.length} more stay` : `${name} stays`;
}

/** Takes an ended job out of the server's memory; asks first where pictures go with it. */
export async function forgetJob(id: string, pictures: readonly rest.ImageRef[]): Promise<boolean> {
  if (pictures.length && !(await ask(QUESTION(pictures)))) return false;
  return attempt(async () => {
    await rest.forget([id]);
    useExec.setState(({ jobs, finished }) => ({
      jobs: Object.fromEntries(Object.entries(jobs).filter(([key]) => key !== id)),
      finished: finished + 1,
    }));
  });
}
