import { type Doc, type GraphId, graphOf, type Link, ROOT, withGraph } from "./document";
import { asNumber, isObject, type Json, type JsonObject, without } from "./json";
import { dotsOn, listOf, rawDots, withList } from "./reroutes";

/* Points of links carried from one graph to another, as when a subgraph is made of nodes. */

/** The same as the file has them: dots that are carried elsewhere keep all that it says of them. */
export function rawDotsOn(doc: Doc, at: GraphId, link: Link): readonly JsonObject[] {
  const way = dotsOn(doc, at, link);
  const raw = way.length ? rawDots(doc, at).filter(isObject) : [];
  return [...new Set(way)].map((dot) => raw.findLast((one) => asNumber(one.id) === dot.id) ?? {});
}

/**
 * Leads links, by their ids, through dots: through those of the graph that there are, and through those that come from
 * elsewhere under ids that are free here.
 */
export function leadThrough(doc: Doc, at: GraphId, ways: ReadonlyMap<number, readonly JsonObject[]>): Doc {
  const here = rawDots(doc, at);
  const ids = new Map<JsonObject, number>();
  const taken = new Set(here.filter(isObject).map((one) => asNumber(one.id)));
  const through = new Map<JsonObject, number[]>();
  const parents = new Map<JsonObject, JsonObject | undefined>();
  for (const [link, way] of ways)
    way.forEach((dot, i) => {
      if (!ids.has(dot)) ids.set(dot, here.includes(dot) ? asNumber(dot.id) : freeId(asNumber(dot.id), taken));
      through.set(dot, [...(through.get(dot) ?? []), link]);
      parents.set(dot, way[i - 1]);
    });
  if (!ids.size) return doc;
  const led = (dot: JsonObject, linkIds: readonly Json[]): JsonObject => {
    const parent = parents.get(dot);
    const parentId = parent && ids.get(parent);
    const bare = { ...without(dot, ["parentId"]), id: ids.get(dot) ?? 0 };
    const links = [...linkIds, ...(through.get(dot) ?? [])];
    return { ...bare, ...(parentId === undefined ? {} : { parentId }), linkIds: links };
  };
  const list: readonly Json[] = [
    ...here.map((one) => (isObject(one) && ids.has(one) ? led(one, listOf(one.linkIds)) : one)),
    ...[...ids.keys()].filter((dot) => !here.includes(dot)).map((dot) => led(dot, [])),
  ];
  const last = new Map(
    [...ways].flatMap(([link, way]) => (way.length ? [[link, ids.get(way.at(-1) as JsonObject)]] : [])),
  );
  return withLastDot(withList(doc, at, list), at, last as ReadonlyMap<number, number>);
}

/** The id itself where nothing has it, else one that is free. */
function freeId(id: number, taken: Set<number>): number {
  const free = taken.has(id) ? Math.max(...taken) + 1 : id;
  taken.add(free);
  return free;
}

function withLastDot(doc: Doc, at: GraphId, last: ReadonlyMap<number, number>): Doc {
  if (at === ROOT) {
    const others = listOf(doc.extra.linkExtensions).filter((one) => !isObject(one) || !last.has(asNumber(one.id, -1)));
    const linkExtensions = [...others, ...[...last].map(([id, parentId]) => ({ id, parentId }))];
    return { ...doc, extra: { ...doc.extra, linkExtensions } };
  }
  const graph = graphOf(doc, at);
  const links = [...graph.links].map(([id, link]) => {
    const parentId = last.get(id);
    return [id, parentId === undefined ? link : { ...link, rest: { ...link.rest, parentId } }] as const;
  });
  return withGraph(doc, at, { ...graph, links: new Map(links) });
}
