import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import puppeteer, { type Browser, type BrowserContext, type Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import {
  addNode,
  card,
  click,
  drag,
  dropPicture,
  kept,
  middle,
  nodes,
  picture,
  shown,
  textOf,
  until,
  viewOf,
} from "./hands";
import { type Served, serve } from "./serving";

/* The editor in Firefox: what the browser tests show in Chromium, where the two differ or once did. */

let served: Served;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];

function firefox(): string {
  if (process.env.FIREFOX) return process.env.FIREFOX;
  const places = (process.env.PATH ?? "").split(delimiter);
  const found = ["firefox-esr", "firefox"].flatMap((name) => places.map((place) => join(place, name))).find(isProgram);
  if (!found) throw new Error("There is no Firefox; `apt-get install firefox-esr`, or set FIREFOX to one.");
  return found;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

beforeAll(async () => {
  served = await serve();
  browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: firefox(),
    headless: true,
    timeout: 180_000,
    protocolTimeout: 240_000,
    // Without motion nothing has to be waited for.
    extraPrefsFirefox: { "ui.prefersReducedMotion": 1 },
  });
});

afterAll(async () => {
  await browser?.close();
  await served?.stop();
});

beforeEach(async () => {
  context = await browser.createBrowserContext();
  page = await context.newPage();
  complaints = [];
  page.on("pageerror", (error) => complaints.push(`page: ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  page.on("response", (reply) => {
    if (reply.status() >= 400) complaints.push(`${reply.status()}: ${reply.url()}`);
  });
  await page.setViewport({ width: 1440, height: 900 });
  await page.goto(served.url, { timeout: 180_000 });
  await shown(page, "[role=application]");
});

afterEach(async () => {
  await context.close();
  expect(complaints).toEqual([]);
});

const runIt = () => click(page, ".topbar .run");
const begin = (template: string) =>
  click(page, `::-p-xpath(//section[contains(@class, "empty")]//button[contains(., "${template}")])`);

it("opens a template, runs it, shows how it goes and the picture", async () => {
  await begin("Text to image");
  await nodes(page, 7);
  await runIt();
  await shown(page, `${card("KSampler")} canvas.live`);
  await picture(page, "SaveImage");
});

it("builds by mouse, keeps the work through a reload, and takes back", async () => {
  await addNode(page, "EmptyImage", { x: 400, y: 200 });
  await addNode(page, "SaveImage", { x: 900, y: 200 });
  const out = await middle(page, `${card("EmptyImage")} [aria-label^="Output IMAGE"]`);
  await drag(page, out, await middle(page, `${card("SaveImage")} [aria-label^="Input images"]`));
  await shown(page, ".react-flow__edge");
  await runIt();
  await picture(page, "SaveImage");
  await kept(page, "SaveImage");
  await page.reload();
  await nodes(page, 2);
  await shown(page, ".react-flow__edge");
  await page.mouse.click(700, 800);
  await page.keyboard.down("Control");
  await page.keyboard.press("a");
  await page.keyboard.press("c");
  await page.keyboard.press("v");
  await nodes(page, 4);
  await page.keyboard.press("z");
  await nodes(page, 2);
  await page.keyboard.up("Control");
});

it("takes a picture that is dropped, and a mask that is painted on it", async () => {
  await dropPicture(page, "teal.png", { x: 600, y: 300 });
  await picture(page, "LoadImage");
  await (await shown(page, `${card("LoadImage")} .media img`)).hover();
  await click(page, '[aria-label="Paint a mask"]');
  await until(page, () => document.querySelector<HTMLCanvasElement>(".mask-paint canvas")?.width === 64);
  const { x, y } = await middle(page, ".mask-paint canvas");
  await drag(page, { x: x - 60, y }, { x: x + 60, y });
  const paint = await page.$eval(
    ".mask-paint canvas",
    (canvas) => (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(32, 32, 1, 1).data[3],
  );
  expect(paint).toBe(255);
  await click(page, ".mask-editor .run");
  await page.waitForSelector(".mask-editor", { hidden: true });
  await until(page, (name) => document.querySelector(name)?.textContent?.includes("painted-"), card("LoadImage"));
  await picture(page, "LoadImage");
});

it("pans with the middle button and pastes nothing", async () => {
  await addNode(page, "EmptyImage", { x: 400, y: 200 });
  await page.evaluate(() => document.addEventListener("paste", () => document.body.classList.add("pasted")));
  const before = await viewOf(page);
  await drag(page, { x: 900, y: 700 }, { x: 960, y: 730 }, "middle");
  await expect.poll(async () => Math.round((await viewOf(page)).x - before.x), { timeout: 60_000 }).toBe(60);
  expect(await page.$("body.pasted")).toBeNull();
});

it("scrubs a number and filters a list by typing", async () => {
  await begin("Text to image");
  const steps = `${card("KSampler")} [role=spinbutton][aria-label=steps]`;
  const at = await middle(page, steps);
  await drag(page, at, { x: at.x + 60, y: at.y });
  expect(await textOf(page, steps)).toContain("30");
  await click(page, `${card("KSampler")} .choice-button`);
  await until(page, () => document.activeElement?.matches(".options .filter"));
  await page.keyboard.type("heunpp2");
  await until(page, () => document.querySelectorAll(".options [role=option]").length === 1);
  await page.keyboard.press("Enter");
  await until(page, (name) => document.querySelector(name)?.textContent?.includes("heunpp2"), card("KSampler"));
});
