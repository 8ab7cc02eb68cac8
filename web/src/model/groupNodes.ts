import { asText, isList, isObject, type Json, type JsonObject, without } from "./json";
import type { Catalogue } from "./schema";
import { PRIMITIVE, REROUTE } from "./virtual";

/*
 * The group nodes of files from before there were subgraphs: `workflow>name`, described in `extra.groupNodes`. They
 * become subgraphs, with a socket for every input and field that shows outside.
 */

const PREFIX = /^workflow[>/]/;

const objects = (value: Json | undefined): readonly JsonObject[] => (isList(value) ? value.filter(isObject) : []);
const within = (value: Json | undefined, ...keys: readonly string[]): Json | undefined =>
  keys.reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : undefined), value);

/** The file with subgraphs for the group nodes that it uses. */
export function withoutGroupNodes(file: JsonObject, catalogue: Catalogue, newId: () => string): JsonObject {
  const groups = within(file.extra, "groupNodes");
  if (!isObject(groups)) return file;
  const ids = new Map<string, string>();
  const retyped = (node: JsonObject): JsonObject => {
    const type = asText(node.type);
    const name = type.replace(PREFIX, "");
    if (name === type || !isObject(groups[name])) return node;
    const id = ids.get(name) ?? newId();
    ids.set(name, id);
    return { ...node, type: id };
  };
  const nodes = objects(file.nodes).map(retyped);
  if (!ids.size) return file;
  const made = [...ids].map(([name, id]) => definitionOf(id, name, groups[name] as JsonObject, catalogue));
  const definitions = isObject(file.definitions) ? file.definitions : {};
  const left = without(groups, [...ids.keys()]);
  const extra = without(isObject(file.extra) ? file.extra : {}, ["groupNodes"]);
  return {
    ...file,
    nodes,
    definitions: { ...definitions, subgraphs: [...objects(definitions.subgraphs), ...made] },
    extra: Object.keys(left).length ? { ...extra, groupNodes: left } : extra,
  };
}

interface Wire {
  readonly from: number;
  readonly slot: number;
  readonly to: number;
  readonly input: number;
  readonly type: string;
}

function definitionOf(id: string, name: string, group: JsonObject, catalogue: Catalogue): JsonObject {
  const items = objects(group.nodes);
  const wires = innerWires(group.links);
  const outside = new Set(externals(group.external));
  const told = (place: number, side: string, what: string) => within(group.config, String(place), side, what);
  const visible = (place: number, side: string, what: string) => within(told(place, side, what), "visible") !== false;
  const names = new Set<string>();
  const inputs: JsonObject[] = [];
  const outputs: JsonObject[] = [];
  const links: JsonObject[] = [];
  const link = (from: number, slot: number, to: number, input: number, type: string) =>
    links.push({
      id: links.length + 1,
      origin_id: from,
      origin_slot: slot,
      target_id: to,
      target_slot: input,
      type,
    });
  const port = (place: number, item: JsonObject, socket: string, type: string) => {
    const given = asText(within(told(place, "input", socket), "name")) || socket;
    const titled = item.type === PRIMITIVE && asText(item.title) !== "";
    inputs.push({
      id: `${id}-in-${inputs.length}`,
      name: freeName(given, socket, item, titled, names),
      type,
      linkIds: [],
    });
    return inputs.length - 1;
  };
  const sockets = items.map((item, place) => socketsOf(item, place, wires, catalogue));
  // A primitive whose value shows outside is that input: what it fed is fed by the input.
  const shown = new Set(
    items.flatMap((item, at) => (item.type === PRIMITIVE && visible(at, "input", "value") ? [at] : [])),
  );
  for (const [place, item] of items.entries()) {
    if (shown.has(place)) {
      const type = asText(objects(item.outputs)[0]?.type, "*");
      const slot = port(place, item, "value", type);
      for (const wire of wires.filter((one) => one.from === place)) link(-10, slot, wire.to, wire.input, type);
      continue;
    }
    for (const [at, socket] of (sockets[place] ?? []).entries()) {
      const fed = wires.find((one) => one.to === place && one.input === at);
      if (fed && !shown.has(fed.from)) link(fed.from, fed.slot, place, at, fed.type);
      else if (!fed && visible(place, "input", socket.shown))
        link(-10, port(place, item, socket.shown, socket.type), place, at, socket.type);
    }
  }
  for (const [place, item] of items.entries())
    for (const [slot, output] of objects(item.outputs).entries()) {
      const used = wires.some((one) => one.from === place && one.slot === slot);
      if ((used && !outside.has(`${place} ${slot}`)) || !visible(place, "output", String(slot)) || shown.has(place))
        continue;
      const type = asText(output.type, "*");
      outputs.push({ id: `${id}-out-${outputs.length}`, name: asText(output.name) || type, type, linkIds: [] });
      link(place, slot, -20, outputs.length - 1, type);
    }
  const nodes = items.flatMap((item, place) =>
    shown.has(place) ? [] : [{ ...without(item, ["index"]), id: place, inputs: (sockets[place] ?? []).map(inputJson) }],
  );
  return { id, version: 1, name, inputs, outputs, nodes, links, groups: [], state: {}, inputNode: {}, outputNode: {} };
}

interface Socket {
  /** What the group calls it: a reroute's input has no name of its own. */
  readonly shown: string;
  readonly name: string;
  readonly type: string;
  readonly widget: boolean;
}

const inputJson = ({ name, type, widget }: Socket): JsonObject => ({
  name,
  type,
  link: null,
  ...(widget ? { widget: { name } } : {}),
});

/** A node's inputs as the file has them, then its fields that are not among them. */
function socketsOf(item: JsonObject, place: number, wires: readonly Wire[], catalogue: Catalogue): readonly Socket[] {
  const type = asText(item.type);
  if (type === PRIMITIVE) return [];
  if (type === REROUTE) {
    const carried = wires.find((one) => one.from === place)?.type ?? "*";
    return [{ shown: carried, name: "", type: carried, widget: false }];
  }
  const own = objects(item.inputs).map((one): Socket => {
    const name = asText(one.name);
    return { shown: name, name, type: asText(one.type, "*"), widget: isObject(one.widget) };
  });
  const fields = (catalogue.get(type)?.widgets ?? []).filter((one) => !own.some((two) => two.name === one.name));
  return [...own, ...fields.map((one): Socket => ({ shown: one.name, name: one.name, type: one.type, widget: true }))];
}

/** The links among the nodes; those whose source is null come from outside. */
function innerWires(links: Json | undefined): readonly Wire[] {
  return (isList(links) ? links : []).flatMap((one) => {
    if (!isList(one)) return [];
    const [from, slot, to, input] = one;
    const ends = [from, slot, to, input];
    if (!ends.every((end) => typeof end === "number")) return [];
    return [{ from, slot, to, input, type: asText(one[5], "*") } as Wire];
  });
}

function externals(list: Json | undefined): readonly string[] {
  return (isList(list) ? list : []).flatMap((one) => {
    if (!isList(one)) return [];
    const place = isObject(one[0]) ? one[0].index : one[0];
    return [`${place} ${one[1]}`];
  });
}

/** A name that no other socket of the group has: with the node's before it where it is taken. */
function freeName(given: string, socket: string, item: JsonObject, titled: boolean, taken: Set<string>): string {
  const long = `${asText(item.title) || asText(item.type)} ${socket}`;
  const stem = taken.has(given) || titled ? long : given;
  let free = stem;
  for (let i = 2; taken.has(free); i++) free = `${stem} ${i}`;
  taken.add(free);
  return free;
}
