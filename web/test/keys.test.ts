import { describe, expect, it } from "vitest";
import { type Command, keysOf, pressed, rebound } from "../src/model/keys";

const command = (id: string, ...keys: string[]): Command => ({
  id,
  label: id,
  group: "Edit",
  keys,
  run: () => undefined,
});
const key = (key: string, held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {}) =>
  pressed({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

describe("a key press", () => {
  it("is written as in commands", () => {
    expect(key("z", { ctrlKey: true, shiftKey: true })).toBe("Mod+Shift+Z");
    expect(key("ArrowUp", { altKey: true })).toBe("Alt+ArrowUp");
    expect(key("?", { shiftKey: true })).toBe("?");
    expect(key("Shift", { shiftKey: true })).toBeUndefined();
  });
});

describe("keys that a person chose", () => {
  const undo = command("undo", "Mod+Z");
  const zoom = command("zoom", "Z", "+");
  const all = [undo, zoom];

  it("replace the command's own", () => {
    const chosen = rebound({}, all, "undo", "Mod+U");
    expect([keysOf(undo, chosen), keysOf(zoom, chosen)]).toEqual([["Mod+U"], ["Z", "+"]]);
  });

  it("are taken from the command that had them", () => {
    const chosen = rebound({}, all, "undo", "Z");
    expect([keysOf(undo, chosen), keysOf(zoom, chosen)]).toEqual([["Z"], ["+"]]);
    const back = rebound(chosen, all, "zoom", "Z");
    expect([keysOf(undo, back), keysOf(zoom, back)]).toEqual([[], ["Z"]]);
  });
});
