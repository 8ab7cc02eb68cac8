/* Reads what pictures say of how they were made: text chunks of PNG, EXIF of WebP and JPEG. */

export type Metadata = ReadonlyMap<string, string>;

const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8");

/** The texts in a PNG, WebP or JPEG by key ("workflow", "prompt", "parameters"); none for any other file. */
export async function readMetadata(bytes: Uint8Array): Promise<Metadata> {
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47])) return readPng(bytes);
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP") return readWebp(bytes);
  if (startsWith(bytes, [0xff, 0xd8])) return readJpeg(bytes);
  return new Map();
}

const KINDS: readonly (readonly [at: number, head: string])[] = [
  [1, "PNG\r\n"],
  [8, "WEBP"],
  [0, "GIF8"],
  [4, "ftypavif"],
];

/** Whether the bytes are those of a picture, as far as their beginning tells. */
export function isPicture(bytes: Uint8Array): boolean {
  const named = KINDS.some(([at, head]) => ascii(bytes, at, head.length) === head);
  return named || startsWith(bytes, [0xff, 0xd8, 0xff]) || (ascii(bytes, 0, 2) === "BM" && bytes[6] === 0);
}

function startsWith(bytes: Uint8Array, head: readonly number[]): boolean {
  return head.every((value, i) => bytes[i] === value);
}

function ascii(bytes: Uint8Array, at: number, length: number): string {
  return latin1.decode(bytes.subarray(at, at + length));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function readPng(bytes: Uint8Array): Promise<Metadata> {
  const found = new Map<string, string>();
  const view = viewOf(bytes);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = ascii(bytes, at + 4, 4);
    const data = bytes.subarray(at + 8, Math.min(at + 8 + length, bytes.length));
    const text = await readChunk(kind, data).catch(() => undefined);
    if (text) found.set(...text);
    if (kind === "IEND") break;
    at += 12 + length;
  }
  return found;
}

async function readChunk(kind: string, data: Uint8Array): Promise<[string, string] | undefined> {
  if (kind !== "tEXt" && kind !== "iTXt" && kind !== "zTXt") return undefined;
  const end = data.indexOf(0);
  if (end < 1) return undefined;
  const key = latin1.decode(data.subarray(0, end));
  if (kind === "tEXt") return [key, decode(data.subarray(end + 1))];
  if (kind === "zTXt") return [key, decode(await inflate(data.subarray(end + 2)))];
  const compressed = data[end + 1] === 1;
  const language = data.indexOf(0, end + 3);
  const translated = data.indexOf(0, language + 1);
  const text = data.subarray(translated + 1);
  return [key, utf8.decode(compressed ? await inflate(text) : text)];
}

/** tEXt is Latin-1 by the standard, but programs write UTF-8 into it: what is valid UTF-8 is read as such. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return latin1.decode(bytes);
  }
}

async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function readWebp(bytes: Uint8Array): Metadata {
  const view = viewOf(bytes);
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (ascii(bytes, at, 4) === "EXIF") {
      const data = bytes.subarray(at + 8, at + 8 + length);
      return readExif(ascii(data, 0, 4) === "Exif" ? data.subarray(6) : data);
    }
    at += 8 + length + (length % 2);
  }
  return new Map();
}

function readJpeg(bytes: Uint8Array): Metadata {
  const view = viewOf(bytes);
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    const length = view.getUint16(at + 2);
    if (marker === 0xe1 && ascii(bytes, at + 4, 4) === "Exif")
      return readExif(bytes.subarray(at + 10, at + 2 + length));
    if (marker === 0xda || length < 2) break;
    at += 2 + length;
  }
  return new Map();
}

const USER_COMMENT = 0x9286;
const EXIF_IFD = 0x8769;

/** Strings of a TIFF block: `key:{json}` in any tag, and the user comment as "parameters". */
function readExif(tiff: Uint8Array): Metadata {
  const found = new Map<string, string>();
  if (tiff.length < 8) return found;
  const view = viewOf(tiff);
  const little = ascii(tiff, 0, 2) === "II";
  const todo = [view.getUint32(4, little)];
  const seen = new Set<number>();
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (seen.has(at) || at + 2 > tiff.length) continue;
    seen.add(at);
    const count = view.getUint16(at, little);
    for (let i = 0; i < count; i++) {
      const entry = at + 2 + 12 * i;
      if (entry + 12 > tiff.length) break;
      const tag = view.getUint16(entry, little);
      const type = view.getUint16(entry + 2, little);
      const length = view.getUint32(entry + 4, little);
      const inline = length <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
      if (tag === EXIF_IFD) todo.push(view.getUint32(entry + 8, little));
      else if (type === 2) addText(found, decode(tiff.subarray(inline, inline + length)));
      else if (tag === USER_COMMENT)
        found.set("parameters", userComment(tiff.subarray(inline, inline + length), little));
    }
  }
  return found;
}

function addText(found: Map<string, string>, raw: string): void {
  const text = raw.replace(/\0+$/, "");
  const match = /^([A-Za-z_]\w*):\s*([\s\S]*)$/.exec(text);
  if (match?.[1] && match[2]) found.set(match[1].toLowerCase(), match[2]);
}

function userComment(bytes: Uint8Array, little: boolean): string {
  const head = ascii(bytes, 0, 7);
  const body = bytes.subarray(8);
  if (head !== "UNICODE") return decode(body).replace(/\0+$/, "");
  // The standard leaves the byte order open; the file's own is tried, and the other where it makes no sense.
  const text = (order: boolean) => new TextDecoder(order ? "utf-16le" : "utf-16be").decode(body);
  const plain = (one: string) => [...one.slice(0, 200)].filter((letter) => letter.charCodeAt(0) < 0x250).length;
  const [first, second] = [text(little), text(!little)];
  return plain(first) >= plain(second) ? first : second;
}
