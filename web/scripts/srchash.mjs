import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";

// The hash of everything that the build reads, so that a stale build is noticed where there is no Node.
const root = new URL("..", import.meta.url).pathname;
const sources = ["index.html", "package-lock.json", "package.json", "public", "src", "tsconfig.json", "vite.config.ts"];

function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesUnder(join(path, name)));
}

export function hashSources() {
  const hash = createHash("sha256");
  const files = sources.flatMap((name) => filesUnder(join(root, name)));
  const named = files.map((file) => [relative(root, file).split(sep).join(posix.sep), file]);
  for (const [name, file] of named.sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0`);
    // Line ends do not count: a checkout on Windows has others.
    hash.update(readFileSync(file).toString("latin1").replaceAll("\r\n", "\n"), "latin1");
    hash.update("\0");
  }
  return hash.digest("hex");
}

if (process.argv.includes("--write")) writeFileSync(join(root, "dist", ".srchash"), `${hashSources()}\n`);
else process.stdout.write(`${hashSources()}\n`);
