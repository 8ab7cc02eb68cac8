export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** A file on the server: its name, the folder under `type`'s root, and "output", "temp" or "input". */
export interface FileRef {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
}

/** What an output node shows: `{ images: [{ filename, subfolder, type }] }`, `{ text: [...] }` and others. */
export type Output = JsonObject;

/** How a job ended. */
export type End =
  | { readonly type: "done"; readonly job: string; readonly outputs: Readonly<Record<string, Output>> }
  | {
      readonly type: "failed";
      readonly job: string;
      readonly message: string;
      readonly node: string;
      readonly nodeType: string;
      readonly exceptionType: string;
      readonly traceback: readonly string[];
    }
  | { readonly type: "cancelled"; readonly job: string };

/** What happens to a job, in the order in which it happens. The last is an `End`, once. */
export type JobEvent =
  | { readonly type: "queued"; readonly job: string; readonly number: number }
  | { readonly type: "started"; readonly job: string }
  | { readonly type: "cached"; readonly job: string; readonly nodes: readonly string[] }
  | { readonly type: "executing"; readonly job: string; readonly node: string; readonly displayNode: string }
  | {
      readonly type: "progress";
      readonly job: string;
      readonly node: string;
      readonly value: number;
      readonly max: number;
    }
  | {
      readonly type: "preview";
      readonly job: string;
      /** Older servers do not say which node it is of. */
      readonly node: string | undefined;
      readonly mime: string;
      readonly data: Uint8Array<ArrayBuffer>;
    }
  | { readonly type: "executed"; readonly job: string; readonly node: string; readonly output: Output }
  | End;

/** Whether nothing can come after an event. */
export function isEnd(event: JobEvent): event is End {
  return event.type === "done" || event.type === "failed" || event.type === "cancelled";
}

/** The files that outputs name, each once. */
export function filesIn(outputs: Readonly<Record<string, Output>>): readonly FileRef[] {
  const found = new Map<string, FileRef>();
  for (const output of Object.values(outputs)) {
    for (const items of Object.values(output)) {
      for (const item of Array.isArray(items) ? items : []) {
        if (!isObject(item) || typeof item.filename !== "string") continue;
        const ref = { filename: item.filename, subfolder: text(item.subfolder), type: text(item.type) || "output" };
        found.set(`${ref.type}/${ref.subfolder}/${ref.filename}`, ref);
      }
    }
  }
  return [...found.values()];
}

/** How a workflow's LoadImage names a file. */
export function asInput(file: FileRef): string {
  const path = file.subfolder ? `${file.subfolder}/${file.filename}` : file.filename;
  return file.type === "input" ? path : `${path} [${file.type}]`;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text) : [];
}
