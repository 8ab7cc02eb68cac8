import uFuzzy from "@leeoniya/ufuzzy";
import type { Catalogue, NodeSchema } from "./schema";
import { fits, isAny } from "./types";

export interface SearchFor {
  readonly text: string;
  /** Only nodes that take (or give) this type: what a link dropped on empty space asks for. */
  readonly takes?: string;
  readonly gives?: string;
  /** Classes used lately, the latest first: they win where the match is equal. */
  readonly recent: readonly string[];
}

export interface Found {
  readonly schema: NodeSchema;
  readonly score: number;
}

const fuzzy = new uFuzzy({ intraMode: 1, intraIns: 1 });
const LIMIT = 60;

/** Node classes that fit, best first. `in:LATENT` and `>IMAGE` in the text filter by what a node takes and gives. */
export function searchNodes(catalogue: Catalogue, wanted: SearchFor): readonly NodeSchema[] {
  const { text, takes, gives } = readFilters(wanted);
  const pool = [...catalogue.values()]
    .filter((one) => !takes || takesType(one, takes))
    .filter((one) => !gives || one.outputs.some((output) => fits(output.type, gives)));
  if (!text)
    return [...pool].sort((a, b) => blankRank(b, wanted) - blankRank(a, wanted) || byTitle(a, b)).slice(0, LIMIT);
  return pool
    .map((schema) => ({ schema, score: score(schema, text, wanted) }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score || byTitle(a.schema, b.schema))
    .slice(0, LIMIT)
    .map((one) => one.schema);
}

function readFilters(wanted: SearchFor): { text: string; takes?: string; gives?: string } {
  let { takes, gives } = wanted;
  const rest = wanted.text.replace(/(?:in:|<)(\w+)|(?:out:|>)(\w+)/gi, (_, into?: string, out?: string) => {
    if (into) takes = into.toUpperCase();
    if (out) gives = out.toUpperCase();
    return "";
  });
  return { text: rest.trim().toLowerCase(), takes, gives };
}

function takesType(schema: NodeSchema, type: string): boolean {
  return [...schema.sockets, ...schema.widgets].some((one) => fits(type, one.type));
}

function byTitle(a: NodeSchema, b: NodeSchema): number {
  return a.title.localeCompare(b.title);
}

function blankRank(schema: NodeSchema, wanted: SearchFor): number {
  const place = wanted.recent.indexOf(schema.type);
  const recent = place < 0 ? 0 : 100 - place;
  return recent + exactness(schema, wanted) - (schema.deprecated ? 20 : 0) - (schema.experimental ? 5 : 0);
}

/** Nodes that take just this type come before those that take anything. */
function exactness(schema: NodeSchema, { takes, gives }: SearchFor): number {
  if (takes && schema.sockets.some((one) => !isAny(one.type) && fits(takes, one.type))) return 50 + everyday(schema);
  if (gives && schema.outputs.some((one) => !isAny(one.type) && fits(one.type, gives))) return 50 + everyday(schema);
  return everyday(schema);
}

const EVERYDAY = [
  "KSampler",
  "CLIPTextEncode",
  "CheckpointLoaderSimple",
  "VAEDecode",
  "SaveImage",
  "PreviewImage",
  "EmptyLatentImage",
  "LoadImage",
  "VAEEncode",
  "LoraLoader",
];

function everyday(schema: NodeSchema): number {
  const place = EVERYDAY.indexOf(schema.type);
  return place < 0 ? 0 : 12 - place;
}

function score(schema: NodeSchema, text: string, wanted: SearchFor): number {
  const names = [schema.title, schema.type, ...schema.aliases];
  const best = Math.max(...names.map((name) => nameScore(name.toLowerCase(), text)));
  const category = best ? 0 : nameScore(schema.category.toLowerCase(), text) / 4;
  const base = Math.max(best, category);
  return base ? base + blankRank(schema, wanted) / 20 : 0;
}

function nameScore(name: string, text: string): number {
  if (name === text) return 120;
  if (name.startsWith(text)) return 100 - name.length / 10;
  const initials = name
    .split(/[\s_/]+/)
    .map((word) => word[0] ?? "")
    .join("");
  if (initials.startsWith(text) && text.length > 1) return 80 - name.length / 10;
  const at = name.indexOf(text);
  if (at >= 0) return (/\W/.test(name[at - 1] ?? " ") ? 75 : 60) - name.length / 10;
  const hits = fuzzy.filter([name], text);
  return hits?.length ? 30 - name.length / 10 : 0;
}

/** Fuzzy matches among plain texts, best first; all of them for an empty text. */
export function filterTexts<T>(list: readonly T[], text: string, nameOf: (one: T) => string): readonly T[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return list;
  return list
    .map((one) => ({ one, score: nameScore(nameOf(one).toLowerCase(), wanted) }))
    .filter((entry) => entry.score > 0)
    .sort((a, b) => b.score - a.score)
    .map((entry) => entry.one);
}
