/* Things in folders, by paths with slashes. */

export interface Folder<T> {
  readonly name: string;
  readonly path: string;
  readonly folders: readonly Folder<T>[];
  readonly items: readonly T[];
  /** How many items there are in it and below. */
  readonly count: number;
}

type Order = (a: string, b: string) => number;

const byName: Order = (a, b) => a.localeCompare(b, undefined, { numeric: true });

/** The tree of what the folders of the items say, each level in the order of its names; items stay as they come. */
export function treeOf<T>(items: readonly T[], folderOf: (item: T) => string, order: Order = byName): Folder<T> {
  const root = growing<T>("", "");
  for (const item of items) {
    let at = root;
    for (const name of folderOf(item).split("/").filter(Boolean)) {
      const path = at.path ? `${at.path}/${name}` : name;
      const next = at.folders.get(name) ?? growing<T>(name, path);
      at.folders.set(name, next);
      at = next;
    }
    at.items.push(item);
  }
  return grown(root, order);
}

interface Growing<T> {
  readonly name: string;
  readonly path: string;
  readonly folders: Map<string, Growing<T>>;
  readonly items: T[];
}

const growing = <T>(name: string, path: string): Growing<T> => ({ name, path, folders: new Map(), items: [] });

function grown<T>({ name, path, folders, items }: Growing<T>, order: Order): Folder<T> {
  const inside = [...folders.values()].sort((a, b) => order(a.name, b.name)).map((one) => grown(one, order));
  return { name, path, folders: inside, items, count: items.length + inside.reduce((sum, one) => sum + one.count, 0) };
}

const FIRST = ["loaders", "conditioning", "sampling", "latent", "image", "mask", "utils"];
const LAST = ["model_patches", "advanced", "deprecated", "_for_testing"];

/** Categories of nodes: those that every picture needs first, those for experts last. */
export function byUse(a: string, b: string): number {
  return rank(a) - rank(b) || byName(a, b);
}

function rank(name: string): number {
  const [first, last] = [FIRST.indexOf(name), LAST.indexOf(name)];
  return first >= 0 ? first : FIRST.length + last + 1;
}

/** The folder of a path, and what the path calls the thing in it. */
export function splitPath(path: string): readonly [folder: string, name: string] {
  const at = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, at)), path.slice(at + 1)];
}
