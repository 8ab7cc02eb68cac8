import type { ElementHandle, EvaluateFunc, Page } from "puppeteer-core";
import { expect } from "vitest";

/* What a person does at the editor, in the words of the tests. */

export interface Place {
  readonly x: number;
  readonly y: number;
}

const LONG_MS = 180_000;

export const card = (name: string) => `.card[data-node="${name}"]`;

/** The element, once it can be seen. */
export async function shown(page: Page, selector: string): Promise<ElementHandle<Element>> {
  const found = await page.waitForSelector(selector, { visible: true, timeout: LONG_MS });
  if (!found) throw new Error(`There is no ${selector}.`);
  return found;
}

/** Returns once what is asked of the page is true. */
export const until = <Given extends unknown[]>(page: Page, asked: EvaluateFunc<Given>, ...given: Given) =>
  page.waitForFunction(asked, { timeout: LONG_MS }, ...given);

export async function middle(page: Page, selector: string): Promise<Place> {
  const box = await (await shown(page, selector)).boundingBox();
  if (!box) throw new Error(`${selector} is nowhere.`);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

export async function click(page: Page, selector: string): Promise<void> {
  const { x, y } = await middle(page, selector);
  await page.mouse.click(x, y);
}

export async function drag(page: Page, from: Place, to: Place, button: "left" | "middle" = "left"): Promise<void> {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down({ button });
  await page.mouse.move(from.x + 3, from.y + 3); // the first move only begins the drag
  await page.mouse.move(to.x, to.y, { steps: 6 });
  await page.mouse.move(to.x, to.y);
  await page.mouse.up({ button });
}

export async function addNode(page: Page, name: string, { x, y }: Place): Promise<void> {
  await page.mouse.click(x, y, { count: 2 });
  await shown(page, '[role=combobox][aria-label="Search for a node"]');
  await page.keyboard.type(name);
  await shown(page, `#found-${name}[aria-selected=true]`);
  await page.keyboard.press("Enter");
  await shown(page, card(name));
}

/** Waits for a picture that really loaded in the node. */
export async function picture(page: Page, name: string): Promise<void> {
  await until(
    page,
    (selector) => {
      const image = document.querySelector<HTMLImageElement>(selector);
      return image?.complete && image.naturalWidth > 0;
    },
    `${card(name)} .media img`,
  );
}

/** Drops a picture of one colour on the canvas. */
export async function dropPicture(page: Page, name: string, { x, y }: Place): Promise<void> {
  await page.evaluate(
    async (name, clientX, clientY) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
      const context = canvas.getContext("2d");
      if (!context) return;
      context.fillStyle = "teal";
      context.fillRect(0, 0, 64, 64);
      const content = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([content as Blob], name, { type: "image/png" }));
      const event = new DragEvent("drop", { bubbles: true, cancelable: true, clientX, clientY, dataTransfer });
      document.querySelector(".canvas")?.dispatchEvent(event);
    },
    name,
    x,
    y,
  );
}

export const textOf = async (page: Page, selector: string): Promise<string> =>
  (await shown(page, selector)).evaluate((element) => element.textContent ?? "");

/** Where the view of the graph is. */
export const viewOf = (page: Page): Promise<Place> =>
  page.$eval(".react-flow__viewport", (view) => {
    const { e, f } = new DOMMatrix(getComputedStyle(view).transform);
    return { x: e, y: f };
  });

/** Returns when the browser keeps a workflow with this in it, for after a reload. */
export async function kept(page: Page, text: string): Promise<void> {
  await until(
    page,
    async (wanted) => {
      const all = await indexedDB.databases();
      if (!all.some(({ name }) => name === "sfumato")) return false;
      return new Promise((resolve) => {
        const open = indexedDB.open("sfumato");
        open.onsuccess = () => {
          const asked = open.result.transaction("tabs").objectStore("tabs").getAll();
          open.result.close();
          asked.onsuccess = () => resolve(JSON.stringify(asked.result).includes(wanted));
        };
      });
    },
    text,
  );
}

export async function nodes(page: Page, count: number): Promise<void> {
  await until(page, (wanted) => document.querySelectorAll(".card").length === wanted, count);
  expect(await page.$$(".card")).toHaveLength(count);
}
