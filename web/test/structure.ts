import type { JsonObject } from "../src/model/json";

type Raw = Readonly<Record<string, unknown>>;
const list = (value: unknown) => (Array.isArray(value) ? value : []) as readonly Raw[];
const isPair = (value: unknown) =>
  Array.isArray(value) && value.length === 2 && value.every((one) => typeof one === "number");
const sorted = (values: readonly unknown[]) => JSON.stringify([...values].sort((a, b) => Number(a) - Number(b)));

const TOP = [
  "id",
  "revision",
  "last_node_id",
  "last_link_id",
  "nodes",
  "links",
  "groups",
  "config",
  "extra",
  "version",
];
const NODE = ["id", "type", "pos", "size", "flags", "order", "mode", "inputs", "outputs", "properties"];
const LINK = ["id", "origin_id", "origin_slot", "target_id", "target_slot", "type"];

/** What in a file is not as ComfyUI's editor writes its format 0.4. */
export function structureFaults(file: JsonObject): readonly string[] {
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  for (const key of TOP) expect(key in file, `no ${key}`);
  expect(file.version === 0.4, "version");
  const links = list(file.links).map((one) => {
    expect(Array.isArray(one) && one.length === 6, `link ${JSON.stringify(one)}`);
    return Object.fromEntries(LINK.map((key, i) => [key, (one as unknown as unknown[])[i]]));
  });
  checkGraph(file as Raw, links, { node: file.last_node_id, link: file.last_link_id }, expect);
  const definitions = list((file.definitions as Raw | undefined)?.subgraphs);
  for (const one of definitions) checkSubgraph(one, expect);
  const ids = new Set(links.map((one) => one.id));
  const extra = file.extra as Raw;
  for (const one of list(extra.linkExtensions)) expect(ids.has(one.id), `decoration of link ${one.id}`);
  for (const one of list(extra.reroutes))
    for (const id of list(one.linkIds)) expect(ids.has(id), `reroute of link ${id}`);
  return faults;
}

type Expect = (holds: boolean, fault: string) => void;

function checkSubgraph(one: Raw, expect: Expect): void {
  const state = one.state as Raw;
  expect(one.version === 1 && typeof one.id === "string" && typeof one.name === "string", `definition ${one.id}`);
  expect((one.inputNode as Raw).id === -10 && (one.outputNode as Raw).id === -20, `ends of ${one.id}`);
  const links = list(one.links);
  for (const link of links)
    expect(
      LINK.every((key) => key in link),
      `link ${JSON.stringify(link)}`,
    );
  checkGraph(one, links, { node: state.lastNodeId, link: state.lastLinkId }, expect);
  for (const [slot, port] of list(one.inputs).entries()) {
    const ids = links.filter((link) => link.origin_id === -10 && link.origin_slot === slot).map((link) => link.id);
    expect(sorted(list(port.linkIds)) === sorted(ids), `linkIds of input ${port.name}`);
  }
  for (const [slot, port] of list(one.outputs).entries()) {
    const ids = links.filter((link) => link.target_id === -20 && link.target_slot === slot).map((link) => link.id);
    expect(ids.length < 2 && sorted(list(port.linkIds)) === sorted(ids), `linkIds of output ${port.name}`);
  }
}

function checkGraph(graph: Raw, links: readonly Raw[], last: Raw, expect: Expect): void {
  const nodes = new Map(list(graph.nodes).map((node) => [node.id, node]));
  expect(nodes.size === list(graph.nodes).length, "two nodes with one id");
  expect(new Set(links.map((one) => one.id)).size === links.length, "two links with one id");
  const numbers = [...nodes.keys()].filter((id) => typeof id === "number");
  expect(
    numbers.every((id) => id <= Number(last.node)),
    `last node ${last.node}`,
  );
  expect(
    links.every((one) => Number(one.id) <= Number(last.link)),
    `last link ${last.link}`,
  );
  const orders = [...nodes.values()].map((node) => node.order);
  expect(sorted(orders) === sorted(orders.map((_, i) => i)), "orders");
  for (const node of nodes.values()) checkNode(node, links, expect);
  for (const link of links) {
    const source = nodes.get(link.origin_id);
    const target = nodes.get(link.target_id);
    expect(source !== undefined || link.origin_id === -10, `link ${link.id} from nowhere`);
    expect(target !== undefined || link.target_id === -20, `link ${link.id} to nowhere`);
    expect(typeof link.type === "string" || link.type === -1, `type of link ${link.id}`);
    if (target) expect(list(target.inputs)[Number(link.target_slot)]?.link === link.id, `link ${link.id} at its end`);
    if (source)
      expect(list(list(source.outputs)[Number(link.origin_slot)]?.links).includes(link.id as never), `link ${link.id}`);
  }
  for (const group of list(graph.groups))
    expect(
      typeof group.id === "number" && typeof group.title === "string" && list(group.bounding).length === 4,
      `group ${group.id}`,
    );
}

function checkNode(node: Raw, links: readonly Raw[], expect: Expect): void {
  const name = `node ${node.id}`;
  for (const key of NODE) expect(key in node, `${name} has no ${key}`);
  expect(isPair(node.pos) && isPair(node.size), `place of ${name}`);
  expect([0, 2, 4].includes(Number(node.mode)), `mode of ${name}`);
  expect(typeof node.type === "string" && typeof node.flags === "object", `type and flags of ${name}`);
  const known = (id: unknown) => links.some((link) => link.id === id);
  for (const slot of list(node.inputs)) {
    expect(typeof slot.name === "string" && slot.type !== undefined, `an input of ${name}`);
    expect(slot.link === null || known(slot.link), `input ${slot.name} of ${name} has link ${slot.link}`);
    expect(slot.widget === undefined || typeof (slot.widget as Raw).name === "string", `widget ${slot.name}`);
  }
  for (const [i, slot] of list(node.outputs).entries()) {
    expect(slot.links === null || (list(slot.links).length > 0 && list(slot.links).every(known)), `links of ${name}`);
    expect(slot.slot_index === i, `slot_index of ${name}`);
  }
}
