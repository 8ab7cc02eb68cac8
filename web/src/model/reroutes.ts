import { type Doc, type Graph, type GraphId, graphOf, type Link, ROOT, withGraph, withSubgraph } from "./document";
import { addNode, connect, disconnect, type Point } from "./edits";
import { asNumber, isList, isObject, type Json, type JsonObject, without } from "./json";
import { HEADER } from "./layout";
import { REROUTE } from "./virtual";

/*
 * Points that links are led through: decorations of links, not nodes. Files keep them in lists beside the links, and
 * so does the document: what nobody touches is written as it was read.
 */

export interface Dot extends Point {
  readonly id: number;
  /** The dot before it, on the way from the source. */
  readonly parent?: number;
}

const none: readonly Json[] = [];
export const listOf = (value: Json | undefined) => (isList(value) ? value : none);

/** The dots of a graph as the file lists them. */
export function rawDots(doc: Doc, at: GraphId): readonly Json[] {
  return listOf(at === ROOT ? doc.extra.reroutes : doc.subgraphs.get(at)?.rest.reroutes);
}

const dots = new WeakMap<readonly Json[], ReadonlyMap<number, Dot>>();

export function dotsOf(doc: Doc, at: GraphId): ReadonlyMap<number, Dot> {
  const raw = rawDots(doc, at);
  const known = dots.get(raw);
  if (known) return known;
  const made = new Map(raw.filter(isObject).map((one) => [asNumber(one.id), readDot(one)]));
  dots.set(raw, made);
  return made;
}

function readDot(raw: JsonObject): Dot {
  const pos = isList(raw.pos) ? raw.pos : [];
  const parent = typeof raw.parentId === "number" ? raw.parentId : undefined;
  return { id: asNumber(raw.id), x: asNumber(pos[0]), y: asNumber(pos[1]), parent };
}

const ends = new WeakMap<readonly Json[], ReadonlyMap<number, number>>();

/** The last dot of each link of the root, where the format 0.4 keeps it. */
function lastDots(extensions: readonly Json[]): ReadonlyMap<number, number> {
  const known = ends.get(extensions);
  if (known) return known;
  const made = new Map(extensions.filter(isObject).map((one) => [asNumber(one.id), asNumber(one.parentId, -1)]));
  ends.set(extensions, made);
  return made;
}

function lastDot(doc: Doc, at: GraphId, link: Link): number | undefined {
  if (at === ROOT) return lastDots(listOf(doc.extra.linkExtensions)).get(link.id);
  return typeof link.rest.parentId === "number" ? link.rest.parentId : undefined;
}

const straight: readonly Dot[] = [];

/** The dots that a link goes through, from its source to its target. */
export function dotsOn(doc: Doc, at: GraphId, link: Link): readonly Dot[] {
  const all = dotsOf(doc, at);
  if (!all.size) return straight;
  const way: Dot[] = [];
  for (let id = lastDot(doc, at, link); id !== undefined && way.length <= all.size; ) {
    const dot = all.get(id);
    if (!dot) break;
    way.unshift(dot);
    id = dot.parent;
  }
  return way;
}

function withDots(doc: Doc, at: GraphId, change: (raw: JsonObject) => JsonObject | undefined): Doc {
  const list = rawDots(doc, at).flatMap((raw) => (isObject(raw) ? (change(raw) ?? []) : [raw]));
  return withList(doc, at, list);
}

export function withList(doc: Doc, at: GraphId, list: readonly Json[]): Doc {
  if (at === ROOT) return { ...doc, extra: { ...doc.extra, reroutes: list } };
  const definition = doc.subgraphs.get(at);
  return definition ? withSubgraph(doc, { ...definition, rest: { ...definition.rest, reroutes: list } }) : doc;
}

function withLastDots(doc: Doc, at: GraphId, change: (parent: number) => number | undefined): Doc {
  if (at === ROOT) {
    const list = listOf(doc.extra.linkExtensions).flatMap((raw) =>
      isObject(raw) ? (changed(raw, change) ?? []) : [raw],
    );
    return { ...doc, extra: { ...doc.extra, linkExtensions: list } };
  }
  const graph = graphOf(doc, at);
  const links = [...graph.links].map(([id, link]) => {
    const rest = changed(link.rest, change) ?? without(link.rest, ["parentId"]);
    return [id, rest === link.rest ? link : { ...link, rest }] as const;
  });
  return withGraph(doc, at, { ...graph, links: new Map(links) });
}

/** The entry with another dot as its last, or nothing where it has none any more. */
function changed(entry: JsonObject, change: (parent: number) => number | undefined): JsonObject | undefined {
  if (typeof entry.parentId !== "number") return entry;
  const parentId = change(entry.parentId);
  if (parentId === entry.parentId) return entry;
  return parentId === undefined ? undefined : { ...entry, parentId };
}

export function moveDots(doc: Doc, at: GraphId, places: ReadonlyMap<number, Point>): Doc {
  return withDots(doc, at, (raw) => {
    const to = places.get(asNumber(raw.id));
    return to ? { ...raw, pos: [to.x, to.y] } : raw;
  });
}

/** Takes dots away; links go straight from the dot before to the one after. */
export function removeDots(doc: Doc, at: GraphId, ids: ReadonlySet<number>): Doc {
  const all = dotsOf(doc, at);
  const before = (id: number): number | undefined => {
    let at: number | undefined = id;
    for (let i = 0; at !== undefined && ids.has(at) && i <= all.size; i++) at = all.get(at)?.parent;
    return at !== undefined && ids.has(at) ? undefined : at;
  };
  const kept = withDots(doc, at, (raw) => {
    if (ids.has(asNumber(raw.id))) return undefined;
    return changed(raw, before) ?? without(raw, ["parentId"]);
  });
  return withLastDots(kept, at, before);
}

/** Makes a Reroute node of every dot, for programs that know no dots. */
export function dotsToNodes(doc: Doc, at: GraphId): Doc {
  const made = new Map<number, string>();
  let next = doc;
  for (const link of graphOf(doc, at).links.values()) {
    const way = dotsOn(doc, at, link);
    if (!way.length) continue;
    let source = { from: link.from, slot: link.slot };
    for (const dot of way) {
      const known = made.get(dot.id);
      if (known === undefined) {
        const [added, id] = addNode(next, at, REROUTE, { x: dot.x - 24, y: dot.y + HEADER - 12 });
        made.set(dot.id, id);
        next = connect(added, at, { ...source, to: id, input: "", type: link.type });
      }
      source = { from: made.get(dot.id) as string, slot: 0 };
    }
    next = connect(disconnect(next, at, [link.id]), at, { ...source, to: link.to, input: link.input, type: link.type });
  }
  return removeDots(next, at, new Set(made.keys()));
}

/** The lists as they are written: without links that are gone, and without dots that lead none. */
export function keptDots(raw: Json | undefined, graph: Graph): Json | undefined {
  if (!isList(raw)) return raw;
  const list = raw.map((one) => (isObject(one) && isList(one.linkIds) ? pruned(one, one.linkIds, graph) : one));
  const kept = list.filter((one, i) => one === raw[i] || !isObject(one) || one.floating || listOf(one.linkIds).length);
  return kept.length === raw.length && kept.every((one, i) => one === raw[i]) ? raw : kept;
}

function pruned(dot: JsonObject, linkIds: readonly Json[], graph: Graph): JsonObject {
  const left = linkIds.filter((id) => graph.links.has(asNumber(id, -1)));
  return left.length === linkIds.length ? dot : { ...dot, linkIds: left };
}
