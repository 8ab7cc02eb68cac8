import { asNumber, isObject, type JsonObject } from "../model/json";

export interface SocketEvents {
  readonly onEvent: (type: string, data: JsonObject) => void;
  /** A picture of what is being sampled; the node is unknown where the server does not say. */
  readonly onPreview: (image: Blob, about: { readonly node?: string; readonly prompt?: string }) => void;
  readonly onOpen: () => void;
  readonly onClose: (retryInMs: number) => void;
}

/** What the page tells itself when somebody does not want to wait for the next try. */
export const RECONNECT = "sfumato:reconnect";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const PREVIEW = 1;
const PREVIEW_WITH_METADATA = 4;

/** Keeps a connection to the server's events until closed; waits longer after each failed try. */
export function connectEvents(clientId: string, events: SocketEvents): () => void {
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = FIRST_WAIT;
  let stopped = false;
  let last = 0;
  const open = () => {
    timer = undefined;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    // What happened while we were away is told again from the last event that we saw.
    const since = last ? `&since=${last}` : "";
    socket = new WebSocket(`${scheme}://${location.host}/ws?clientId=${encodeURIComponent(clientId)}${since}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      socket?.send(JSON.stringify({ type: "feature_flags", data: { supports_preview_metadata: true } }));
      wait = FIRST_WAIT;
      events.onOpen();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") last = Math.max(last, readText(data, events));
      else readBinary(data as ArrayBuffer, events);
    };
    socket.onclose = () => {
      if (stopped) return;
      events.onClose(wait);
      timer = setTimeout(open, wait);
      wait = Math.min(LONGEST_WAIT, wait * 2);
    };
  };
  const now = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    open();
  };
  open();
  window.addEventListener("online", now);
  document.addEventListener(RECONNECT, now);
  return () => {
    stopped = true;
    window.removeEventListener("online", now);
    document.removeEventListener(RECONNECT, now);
    clearTimeout(timer);
    socket?.close();
  };
}

/** Hands an event on; gives its number, or 0 where it has none. */
function readText(text: string, events: SocketEvents): number {
  const message = JSON.parse(text) as unknown;
  if (!isObject(message) || typeof message.type !== "string") return 0;
  events.onEvent(message.type, isObject(message.data) ? message.data : {});
  return asNumber(message.seq);
}

export function readBinary(buffer: ArrayBuffer, events: Pick<SocketEvents, "onPreview">): void {
  const view = new DataView(buffer);
  const kind = view.getUint32(0);
  if (kind === PREVIEW) {
    const type = view.getUint32(4) === 2 ? "image/png" : "image/jpeg";
    events.onPreview(new Blob([buffer.slice(8)], { type }), {});
  }
  if (kind === PREVIEW_WITH_METADATA) {
    const length = view.getUint32(4);
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Record<string, string>;
    const image = new Blob([buffer.slice(8 + length)], { type: about.image_type ?? "image/jpeg" });
    events.onPreview(image, { node: about.display_node_id ?? about.node_id, prompt: about.prompt_id });
  }
}
