import { type HistoryEntry, type ImageRef, imageUrl } from "../api/rest";
import { isObject, type JsonObject } from "../model/json";
import { download, openJson } from "./files";
import { seedsOf, takeSeeds } from "./seeds";
import { report, toast, useUi } from "./ui";

/* What can be done with a picture that was made. */

export function workflowOf(entry: HistoryEntry | undefined): JsonObject | undefined {
  const info = entry?.extra.extra_pnginfo;
  return isObject(info) && isObject(info.workflow) ? info.workflow : undefined;
}

export function openWorkflowOf(entry: HistoryEntry, image: ImageRef): void {
  const workflow = workflowOf(entry);
  if (workflow) openJson(image.filename.replace(/\.\w+$/, ""), workflow);
  else openJson(image.filename.replace(/\.\w+$/, ""), entry.prompt as unknown as JsonObject);
}

export function takeSeedsOf(entry: HistoryEntry): void {
  const seeds = seedsOf(entry.prompt);
  if (seeds.length) takeSeeds(seeds);
  else toast("No seed went into this picture.");
}

const same = (a: ImageRef, b: ImageRef) => imageUrl(a) === imageUrl(b);

/** Pins a picture as A; where another is pinned already, compares the two. */
export function pinOrCompare(image: ImageRef): void {
  const { pinnedA } = useUi.getState();
  if (pinnedA && !same(pinnedA, image)) {
    compare(pinnedA, image);
  } else {
    useUi.setState({ pinnedA: image });
    toast("Pinned as A. Choose another and press C to compare.");
  }
}

export function compare(a: ImageRef, b: ImageRef): void {
  useUi.setState({ compare: { a, b }, lightbox: undefined, pinnedA: undefined, toasts: [] });
}

export async function downloadImages(images: readonly ImageRef[]): Promise<void> {
  try {
    for (const image of images) download(image.filename, await (await fetch(imageUrl(image))).blob());
  } catch (error) {
    report(error);
  }
}
