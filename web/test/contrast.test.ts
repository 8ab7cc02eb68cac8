import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("../src/styles/tokens.css", import.meta.url), "utf8");

function tokens(theme: string): Record<string, string> {
  const block = new RegExp(`data-theme="${theme}"\\][^{]*\\{([^}]*)\\}`).exec(css)?.[1] ?? "";
  return Object.fromEntries(
    [...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})\b/gi)].map((match) => [match[1], match[2]]),
  );
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ["bg", "panel", "node", "node-head", "field"];

describe.each(["dark", "light"])("the %s theme", (theme) => {
  const all = tokens(theme);
  const colour = (name: string) => {
    const value = all[name];
    if (!value) throw new Error(`--${name} is not a colour in ${theme}`);
    return value;
  };

  it.each(
    ["text", "text-2", "text-3", "err", "ok", "warn"].flatMap((text) =>
      GROUNDS.map((ground) => [text, ground] as const),
    ),
  )("%s is readable on %s", (text, ground) => {
    expect(contrast(colour(text), colour(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it("has a readable button and a visible focus", () => {
    expect(contrast(colour("on-accent"), colour("accent"))).toBeGreaterThanOrEqual(4.5);
    for (const ground of GROUNDS) expect(contrast(colour("accent"), colour(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Object.keys(all).filter((name) => name.startsWith("t-")))("shows sockets and links of %s", (name) => {
    for (const ground of ["bg", "node"]) expect(contrast(colour(name), colour(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it("has edges of fields that can be seen", () => {
    for (const ground of ["node", "panel", "field"])
      expect(contrast(colour("line-strong"), colour(ground))).toBeGreaterThanOrEqual(2.8);
  });
});
