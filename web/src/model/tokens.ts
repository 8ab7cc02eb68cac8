import { expandChoices } from "./queuedText";

/*
 * A prompt's tokens, counted as the server counts them: the grammar of weights, CLIP's byte pairs, and how groups of
 * tokens fill chunks.
 */

/** How many tokens a stretch of plain text makes. */
export type CountTokens = (text: string) => number;
/** How many tokens an embedding stands for: null where nobody knows, nothing where there is no such embedding. */
export type EmbeddingLength = (name: string) => number | null | undefined;

export interface PromptSize {
  readonly tokens: number;
  readonly chunks: number;
  /** Whether the count is of all there is, or something in the prompt has a length that nobody knows. */
  readonly exact: boolean;
}

export const CHUNK = 75;
/** Groups of fewer tokens are not torn apart at the end of a chunk. */
const WHOLE_BELOW = 8;
const EMBEDDING = "embedding:";

/** The size of a prompt as a field holds it; of choices (`{a|b}`) the first counts. */
export function promptSize(text: string, count: CountTokens, embedding: EmbeddingLength): PromptSize {
  const groups: number[] = [];
  let exact = true;
  const found = (name: string) => {
    const length = embedding(name);
    if (length === null) exact = false;
    return length === null ? 1 : length;
  };
  for (const { text: stretch } of segments(expandChoices(text, () => 0)))
    for (const piece of pieces(stretch)) groups.push(...sizesOf(piece, count, found));
  const tokens = groups.reduce((sum, size) => sum + size, 0);
  return { tokens, chunks: chunksOf(groups), exact };
}

/** How many chunks the groups fill: a short group that does not fit moves on as a whole, a long one is torn. */
function chunksOf(groups: readonly number[]): number {
  let chunks = 1;
  let room = CHUNK;
  for (const group of groups) {
    let left = group;
    while (left > room) {
      if (left >= WHOLE_BELOW) left -= room;
      chunks += 1;
      room = CHUNK;
    }
    room -= left;
  }
  return chunks;
}

interface Segment {
  readonly text: string;
  readonly weight: string;
}

/** A prompt taken apart where its weight changes. What the weights are does not matter here. */
export function segments(text: string): readonly Segment[] {
  const masked = text.replaceAll("\\(", OPEN).replaceAll("\\)", CLOSE);
  const done: Segment[] = [];
  const waiting = [{ text: masked, plain: false, weight: "1" }];
  for (let outer = waiting.pop(); outer; outer = waiting.pop()) {
    if (outer.plain) {
      done.push({ text: outer.text.replaceAll(OPEN, "(").replaceAll(CLOSE, ")"), weight: outer.weight });
      continue;
    }
    const inner = [];
    for (const item of parenthesised(outer.text)) {
      const group = item.length >= 2 && item.startsWith("(") && item.endsWith(")");
      inner.push(group ? weighted(item.slice(1, -1), outer.weight) : { ...outer, text: item, plain: true });
    }
    waiting.push(...inner.reverse());
  }
  return done;
}

const OPEN = "\ue000";
const CLOSE = "\ue001";

/** Text outside parentheses, and each outermost pair with what it holds. */
function parenthesised(text: string): readonly string[] {
  const found: string[] = [];
  let depth = 0;
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "(") {
      if (depth === 0 && at > begin) {
        found.push(text.slice(begin, at));
        begin = at;
      }
      depth += 1;
    } else if (text[at] === ")") {
      depth -= 1;
      if (depth === 0) {
        found.push(text.slice(begin, at + 1));
        begin = at + 1;
      }
    }
  }
  if (begin < text.length) found.push(text.slice(begin));
  return found;
}

const DIGITS = String.raw`\d(?:_?\d)*`;
/** A number as Python's `float` reads it. */
const NUMBER = new RegExp(
  String.raw`^\p{White_Space}*[+-]?(?:${DIGITS}\.?(?:${DIGITS})?|\.${DIGITS})(?:e[+-]?${DIGITS})?\p{White_Space}*$`,
  "iu",
);

function weighted(inside: string, around: string) {
  const colon = inside.lastIndexOf(":");
  const number = inside.slice(colon + 1);
  const finite = NUMBER.test(number) && Number.isFinite(Number(number.replaceAll("_", "")));
  return colon > 0 && finite
    ? { text: inside.slice(0, colon), plain: false, weight: number }
    : { text: inside, plain: false, weight: `${around}+` };
}

/** Text cut before each `embedding:` that follows a space or a line break. */
function pieces(text: string): readonly string[] {
  const [first = "", ...more] = text.split(/[ \n]embedding:/);
  return [first, ...more.map((rest) => EMBEDDING + rest)].filter((piece) => piece !== "");
}

/** The groups that a piece makes: of an embedding where it begins with one, and of the text after it. */
function sizesOf(piece: string, count: CountTokens, embedding: (name: string) => number | undefined): number[] {
  if (!piece.startsWith(EMBEDDING)) return [count(piece)];
  const [name = "", ...words] = piece
    .slice(EMBEDDING.length)
    .split(/\p{White_Space}+/u)
    .filter((word) => word !== "");
  let rest = words.join(" ");
  let length = name ? embedding(name) : undefined;
  const plain = name.replace(/^,+|,+$/g, "");
  if (length === undefined && plain && plain.length < name.length) {
    length = embedding(plain);
    rest = `${name.slice(plain.length)} ${rest}`;
  }
  const sizes = length === undefined ? [] : [length];
  return rest ? [...sizes, count(rest)] : sizes;
}

const SPECIAL = /<\|startoftext\|>|<\|endoftext\|>/g;
const WORDS = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/** A counter of CLIP's tokens over its merges, each "first second", the most important first. */
export function clipCounter(merges: readonly string[]): CountTokens {
  const ranks = new Map(merges.map((merge, rank) => [merge, rank]));
  const letters = byteLetters();
  const known = new Map<string, number>();
  const encoder = new TextEncoder();
  const size = (word: string): number => {
    const before = known.get(word);
    if (before !== undefined) return before;
    const symbols = [...encoder.encode(word)].map((byte) => letters[byte] as string);
    symbols.push(`${symbols.pop()}</w>`);
    const made = merged(symbols, ranks);
    if (known.size > MOST_WORDS) known.clear();
    known.set(word, made);
    return made;
  };
  return (text) => {
    const marks = text.match(SPECIAL)?.length ?? 0;
    return text.split(SPECIAL).reduce((sum, part) => sum + wordsOf(part).reduce((n, word) => n + size(word), 0), marks);
  };
}

const MOST_WORDS = 20_000;

function wordsOf(text: string): readonly string[] {
  // Letter by letter: in a whole word a last sigma would become another letter.
  const lower = Array.from(text.normalize("NFC"), (letter) => letter.toLowerCase()).join("");
  const words = lower.match(WORDS) ?? [];
  // A mark that was written with capitals is none, but what stands beside it is still another word.
  return words.flatMap((word) => (/^<\|\p{L}/u.test(word) ? ["<|", word.slice(2, -2), "|>"] : [word]));
}

/** How many symbols are left when no two neighbours can be merged any more. */
function merged(start: readonly string[], ranks: ReadonlyMap<string, number>): number {
  let symbols = start;
  while (symbols.length > 1) {
    let best = Number.POSITIVE_INFINITY;
    let pair = "";
    for (let i = 1; i < symbols.length; i++) {
      const one = `${symbols[i - 1]} ${symbols[i]}`;
      const rank = ranks.get(one);
      if (rank !== undefined && rank < best) [best, pair] = [rank, one];
    }
    if (!pair) break;
    const next: string[] = [];
    for (let i = 0; i < symbols.length; i++) {
      if (i + 1 < symbols.length && `${symbols[i]} ${symbols[i + 1]}` === pair)
        next.push(`${symbols[i++]}${symbols[i]}`);
      else next.push(symbols[i] as string);
    }
    symbols = next;
  }
  return symbols.length;
}

/** The character that stands for each byte: itself where it can be printed, else one from 256 on. */
function byteLetters(): readonly string[] {
  let other = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : other++);
  });
}
