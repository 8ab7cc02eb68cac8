import { expect, test } from "vitest";
import { byUse, type Folder, splitPath, treeOf } from "../../src/model/tree";

const shown = (folder: Folder<string>): unknown => ({
  ...Object.fromEntries(folder.folders.map((one) => [`${one.name} ${one.count}`, shown(one)])),
  ...(folder.items.length ? { items: folder.items } : {}),
});

test("paths become folders in folders", () => {
  const tree = treeOf(["a", "people/ink/b", "people/c", "people/ink/d", "Zoo/e"], (path) => splitPath(path)[0]);
  expect(shown(tree)).toEqual({
    "people 3": { "ink 2": { items: ["people/ink/b", "people/ink/d"] }, items: ["people/c"] },
    "Zoo 1": { items: ["Zoo/e"] },
    items: ["a"],
  });
  expect(tree.count).toBe(5);
  expect(tree.folders[0]?.folders[0]?.path).toBe("people/ink");
});

test("empty steps of a path are none", () => {
  expect(shown(treeOf(["x"], () => "//a//b/"))).toEqual({ "a 1": { "b 1": { items: ["x"] } } });
});

test("what every picture needs comes first, what is for experts last", () => {
  const names = ["_for_testing", "advanced", "Comfyroll", "sampling", "api", "loaders"];
  expect(names.sort(byUse)).toEqual(["loaders", "sampling", "api", "Comfyroll", "advanced", "_for_testing"]);
});

test.each([
  ["a/b/c.json", ["a/b", "c.json"]],
  ["c.json", ["", "c.json"]],
  ["/c", ["", "c"]],
])("%s has a folder and a name", (path, parts) => {
  expect(splitPath(path)).toEqual(parts);
});
