import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Served {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

const ROOT = new URL("../..", import.meta.url).pathname;

/** `sfumato serve` over an empty base folder, by the Python that PYTHON names. */
export async function serve(): Promise<Served> {
  const base = mkdtempSync(join(tmpdir(), "sfumato-firefox-"));
  const python = process.env.PYTHON ?? join(ROOT, ".venv/bin/python");
  const server = spawn(python, ["-m", "server.cli", "serve", "--port", "0", "--base", base], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = async () => {
    const ended = once(server, "exit");
    server.kill();
    await ended;
    rmSync(base, { recursive: true, force: true });
  };
  for await (const line of createInterface(server.stdout)) {
    const [url] = /https?:\/\/[^\s/]+/.exec(line) ?? [];
    if (url) return { url, stop };
  }
  throw new Error("The server did not say where it listens.");
}
