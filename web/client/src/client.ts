import { ClientError, JobFailed, type NodeProblem, problemsOf, Refused, Unreachable } from "./errors.js";
import { type End, type FileRef, isEnd, isObject, type JobEvent, type JsonObject, text } from "./events.js";
import { endOf, eventOf, lost, parsed, previewOf } from "./messages.js";

export interface ClientOptions {
  readonly token?: string;
  /** How long a server that is gone is waited for, in milliseconds. */
  readonly patience?: number;
  /** The WebSocket class, where the platform has none (Node 20). */
  readonly WebSocket?: typeof globalThis.WebSocket;
  readonly fetch?: typeof globalThis.fetch;
}

export interface SubmitOptions {
  /** Before everything that waits. */
  readonly front?: boolean;
  /** Have pictures of what is being sampled sent. */
  readonly previews?: boolean;
  /** The editor's document, to be written into the pictures. */
  readonly workflow?: JsonObject;
}

export interface UploadOptions {
  readonly subfolder?: string;
  readonly overwrite?: boolean;
}

/** A job on the server. */
export interface Job {
  readonly id: string;
  readonly number: number;
  /** What the server has against outputs that it left out. */
  readonly problems: readonly NodeProblem[];
  /** How it ended; undefined while it has not. */
  readonly end: End | undefined;
  /** Everything that happened and happens to it, up to its end. */
  follow(): AsyncGenerator<JobEvent, void, undefined>;
  /** What it made, once it is over. Throws JobFailed when it ended otherwise. */
  result(): Promise<Extract<End, { type: "done" }>>;
  cancel(): Promise<void>;
}

const RETRY = [100, 200, 500, 1000, 2000, 5000];
const SETTLE = [20, 50, 100, 200, 500, 1000, 2000];
const FEATURES = JSON.stringify({ type: "feature_flags", data: { supports_preview_metadata: true } });

/** A connection to a server. Close it when done: it keeps a socket. */
export class Client {
  readonly id: string = crypto.randomUUID();
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #patience: number;
  readonly #makeSocket: typeof globalThis.WebSocket | undefined;
  readonly #fetch: typeof globalThis.fetch;
  readonly #jobs = new Map<string, Followed>();
  #socket: WebSocket | undefined;
  #open: Promise<void> | undefined;
  #running: string | undefined;
  #seen = 0;
  #known = false;
  #closed = false;
  #lost: ClientError | undefined;

  /** `url` is the server's address, perhaps with `?token=`. */
  constructor(url: string, options: ClientOptions = {}) {
    const [address = "", query = ""] = url.split("?");
    this.#url = address.replace(/\/+$/, "");
    this.#token = options.token ?? new URLSearchParams(query).get("token") ?? undefined;
    this.#patience = options.patience ?? 60_000;
    this.#makeSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** Let go of the server. Jobs go on there; who follows one is told Unreachable. */
  close(): void {
    this.#closed = true;
    this.#lose(new Unreachable("The client was closed."));
    this.#socket?.close();
  }

  /**
   * Have a workflow run: a prompt in API format, or an editor's file (servers of ComfyUI take the former only).
   * Throws Refused, which lists what the server has against it.
   */
  async submit(workflow: JsonObject, options: SubmitOptions = {}): Promise<Job> {
    const id = crypto.randomUUID();
    const job = new Followed(this, id);
    this.#jobs.set(id, job);
    try {
      await this.#listen();
      const extra = {
        ...(options.workflow ? { extra_pnginfo: { workflow: options.workflow } } : {}),
        ...(options.previews ? { preview_method: "auto" } : {}),
      };
      const body = { prompt: workflow, client_id: this.id, prompt_id: id, extra_data: extra };
      const reply = await this.#ask("/prompt", json({ ...body, ...(options.front ? { front: true } : {}) }));
      const said = await reply.text();
      if (reply.status === 400) throw refusal(said);
      await check(reply, "The workflow was not taken", said);
      const answer = parsed(said);
      job.accepted(Number(answer.number ?? 0), problemsOf(answer.node_errors));
      const given = text(answer.prompt_id);
      if (given && given !== id) {
        this.#jobs.delete(id);
        job.id = given;
        this.#jobs.set(given, job);
      }
      return job;
    } catch (error) {
      this.#jobs.delete(id);
      throw error;
    }
  }

  /** Stop a job: out of the queue if it waits, at its next step if it runs. */
  async cancel(job: Job): Promise<void> {
    await this.#post("/queue", { delete: [job.id] });
    await this.#post("/interrupt", { prompt_id: job.id });
    const followed = this.#jobs.get(job.id);
    if (!followed || followed.end || (await this.#isQueued(job.id)) || (await this.history(job.id))) return;
    followed.tell({ type: "cancelled", job: job.id });
  }

  /** The history's entry of a job that has ended; undefined while it has not. */
  async history(job: string): Promise<JsonObject | undefined> {
    const entry = (await this.#get(`/history/${encodeURIComponent(job)}`))[job];
    return isObject(entry) ? entry : undefined;
  }

  /** The ids of the jobs that run, and of those that wait. */
  async queue(): Promise<{ readonly running: readonly string[]; readonly waiting: readonly string[] }> {
    const said = await this.#get("/queue");
    const ids = (items: unknown) => (Array.isArray(items) ? items.map((item) => text(item?.[1])) : []);
    return { running: ids(said.queue_running), waiting: ids(said.queue_pending) };
  }

  /** A file's content. */
  async fetch(file: FileRef): Promise<Blob> {
    const query = new URLSearchParams({ filename: file.filename, subfolder: file.subfolder, type: file.type });
    const reply = await this.#ask(`/view?${query}`);
    await check(reply, `${file.filename} cannot be fetched`);
    return await reply.blob();
  }

  /** Put a picture into the server's input folder; gives the name that it has there. */
  async uploadImage(image: Blob, name: string, options: UploadOptions = {}): Promise<FileRef> {
    return await this.#upload("/upload/image", image, name, options, {});
  }

  /** Put `original` into the input folder with the alpha of this picture; gives the name that it has there. */
  async uploadMask(image: Blob, original: FileRef, name: string, options: UploadOptions = {}): Promise<FileRef> {
    return await this.#upload("/upload/mask", image, name, options, { original_ref: JSON.stringify(original) });
  }

  /** What nodes there are, or one of them; a name maps to ComfyUI's description of it. */
  async objectInfo(node?: string): Promise<JsonObject> {
    return await this.#get(node === undefined ? "/object_info" : `/object_info/${encodeURIComponent(node)}`);
  }

  /** The server's versions and devices. */
  async systemStats(): Promise<JsonObject> {
    return await this.#get("/system_stats");
  }

  /** Throws what the connection ended with, if it has. */
  check(): void {
    if (this.#lost) throw this.#lost;
  }

  /** Break the connection, as a network does; it comes back by itself. */
  disturb(): void {
    this.#socket?.close();
  }

  /** Be connected: a server tells who listens, and only some tell later what was missed. */
  async #listen(): Promise<void> {
    this.check();
    this.#open ??= this.#connect();
    await this.#open;
    this.check();
  }

  #connect(): Promise<void> {
    const WebSocket = this.#makeSocket;
    if (!WebSocket) throw new ClientError("This platform has no WebSocket; pass one as the option `WebSocket`.");
    return new Promise((resolve) => {
      let tries = 0;
      let since = Date.now();
      const open = () => {
        const socket = new WebSocket(this.#socketUrl());
        socket.binaryType = "arraybuffer";
        socket.onopen = () => {
          socket.send(FEATURES);
          const again = this.#known;
          this.#socket = socket;
          this.#known = true;
          tries = 0;
          if (again) this.#catchUp();
          resolve();
        };
        socket.onmessage = ({ data }) => this.#hear(data);
        socket.onerror = () => {}; // `close` follows
        socket.onclose = () => {
          if (this.#closed) return resolve();
          if (this.#socket === socket) {
            this.#socket = undefined;
            since = Date.now();
          }
          if (!this.#known || Date.now() - since > this.#patience) {
            void this.#why().then((error) => {
              this.#lose(error);
              resolve();
            });
            return;
          }
          setTimeout(open, RETRY[Math.min(tries++, RETRY.length - 1)]);
        };
      };
      open();
    });
  }

  #socketUrl(): string {
    const query = new URLSearchParams({ clientId: this.id });
    if (this.#known) query.set("since", String(this.#seen));
    // A browser's WebSocket cannot send headers.
    if (this.#token) query.set("token", this.#token);
    return `${this.#url.replace(/^http/, "ws")}/ws?${query}`;
  }

  /** A socket does not say why it was refused; a plain request does. */
  async #why(): Promise<ClientError> {
    try {
      await this.#get("/prompt");
    } catch (error) {
      if (error instanceof ClientError) return error;
    }
    return new Unreachable(`${this.#url} does not open its socket.`);
  }

  #lose(error: ClientError): void {
    this.#lost ??= error;
    for (const job of this.#jobs.values()) job.wake();
  }

  #hear(data: unknown): void {
    if (typeof data !== "string") {
      const preview = data instanceof ArrayBuffer ? previewOf(data, this.#running) : undefined;
      if (preview) this.#jobs.get(preview.job)?.tell(preview);
      return;
    }
    const message = parsed(data);
    this.#seen = Math.max(this.#seen, Number(message.seq) || 0);
    const about = isObject(message.data) ? message.data : {};
    const job = this.#jobs.get(text(about.prompt_id));
    if (!job) return;
    const event = eventOf(text(message.type), about);
    if (event?.type === "executing") this.#running = job.id;
    if (event) job.tell(event);
    else if (message.type === "execution_success" || (message.type === "executing" && about.node === null)) {
      void this.#settle(job);
    }
  }

  /** After a break, ask how the jobs stand: not every server tells what was missed. */
  #catchUp(): void {
    for (const job of this.#jobs.values()) if (!job.end) void this.#settle(job);
  }

  /** Tell a job's end as the history has it. It may be written a moment after the end was said. */
  async #settle(job: Followed): Promise<void> {
    for (const pause of SETTLE) {
      if (job.end || this.#closed) return;
      try {
        const entry = await this.history(job.id);
        if (entry) return job.tell(endOf(job.id, entry));
        if (await this.#isQueued(job.id)) return;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    if (this.#socket) job.tell(lost(job.id, "The server knows nothing of this job any more."));
  }

  async #isQueued(job: string): Promise<boolean> {
    const { running, waiting } = await this.queue();
    return running.includes(job) || waiting.includes(job);
  }

  async #ask(path: string, how: RequestInit = {}): Promise<Response> {
    const headers = new Headers(how.headers);
    if (this.#token) headers.set("Authorization", `Bearer ${this.#token}`);
    try {
      return await this.#fetch(this.#url + path, { ...how, headers });
    } catch (error) {
      throw new Unreachable(`Nothing answers at ${this.#url}; is the server running?`, { cause: error });
    }
  }

  async #get(path: string): Promise<JsonObject> {
    const reply = await this.#ask(path);
    await check(reply, `${path} was not answered`);
    return parsed(await reply.text());
  }

  async #post(path: string, body: JsonObject): Promise<void> {
    await check(await this.#ask(path, json(body)), `${path} was not taken`);
  }

  async #upload(
    path: string,
    image: Blob,
    name: string,
    options: UploadOptions,
    more: Readonly<Record<string, string>>,
  ): Promise<FileRef> {
    const form = new FormData();
    form.set("type", "input");
    if (options.subfolder) form.set("subfolder", options.subfolder);
    if (options.overwrite) form.set("overwrite", "true");
    for (const [key, value] of Object.entries(more)) form.set(key, value);
    form.set("image", image, name);
    const reply = await this.#ask(path, { method: "POST", body: form });
    await check(reply, "The picture was not taken");
    const said = parsed(await reply.text());
    return { filename: text(said.name), subfolder: text(said.subfolder), type: text(said.type) || "input" };
  }
}

/** A job with what has been heard of it. */
class Followed implements Job {
  id: string;
  number = 0;
  problems: readonly NodeProblem[] = [];
  end: End | undefined;
  readonly #client: Client;
  readonly #events: JobEvent[] = [];
  #waiting: (() => void)[] = [];

  constructor(client: Client, id: string) {
    this.#client = client;
    this.id = id;
  }

  accepted(number: number, problems: readonly NodeProblem[]): void {
    this.number = number;
    this.problems = problems;
    this.#events.unshift({ type: "queued", job: this.id, number });
    this.wake();
  }

  tell(event: JobEvent): void {
    if (this.end) return;
    if (isEnd(event)) this.end = event;
    this.#events.push(event);
    this.wake();
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async *follow(): AsyncGenerator<JobEvent, void, undefined> {
    for (let place = 0; ; place++) {
      let event = this.#events[place];
      while (!event) {
        this.#client.check();
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        event = this.#events[place];
      }
      yield event;
      if (isEnd(event)) return;
    }
  }

  async result(): Promise<Extract<End, { type: "done" }>> {
    for await (const event of this.follow()) {
      if (event.type === "done") return event;
      if (isEnd(event)) throw new JobFailed(event);
    }
    throw new ClientError("The job's events ended without its end.");
  }

  async cancel(): Promise<void> {
    await this.#client.cancel(this);
  }
}

function json(body: object): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

async function check(reply: Response, what: string, said?: string): Promise<void> {
  if (reply.ok) return;
  if (reply.status === 401) throw new ClientError("The server wants its token; pass it as the option `token`.");
  if (reply.status === 403) throw new ClientError("The server refuses this client: is the address one of its names?");
  const body = (said ?? (await reply.text())).slice(0, 300).trim();
  const error = parsed(body).error;
  const reason = isObject(error) ? text(error.message) : text(error) || body;
  throw new ClientError(`${what} (status ${reply.status})${reason ? `: ${reason}` : ""}`);
}

function refusal(said: string): ClientError {
  const answer = parsed(said);
  if (!answer.error) return new ClientError(`The server refused the workflow: ${said.slice(0, 300).trim()}`);
  return new Refused(answer.error, answer.node_errors);
}
