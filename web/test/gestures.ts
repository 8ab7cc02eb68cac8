import * as afterRun from "../src/model/afterRun";
import * as clip from "../src/model/clip";
import * as completion from "../src/model/completion";
import { type Doc, type GraphId, graphOf, linksInto, type NodeId, ROOT } from "../src/model/document";
import * as edits from "../src/model/edits";
import * as everywhere from "../src/model/everywhere";
import * as exposed from "../src/model/exposed";
import * as frames from "../src/model/frames";
import { isTall } from "../src/model/layout";
import * as leading from "../src/model/leading";
import * as pins from "../src/model/pins";
import * as ports from "../src/model/ports";
import * as rereading from "../src/model/reread";
import * as reroutes from "../src/model/reroutes";
import { shapeOf } from "../src/model/shape";
import * as subgraphs from "../src/model/subgraphs";
import * as substitution from "../src/model/substitute";
import { fits } from "../src/model/types";
import * as usual from "../src/model/usualPins";
import * as wrapping from "../src/model/wrapping";
import { catalogue, textToImage } from "./support";

/** A chance to change a graph of a document: numbers choose what and how. */
interface Chance {
  readonly doc: Doc;
  readonly at: GraphId;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** The modules whose functions change documents, to see that none is missed. */
export const MODULES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  afterRun,
  clip,
  completion,
  edits,
  everywhere,
  exposed,
  frames,
  leading,
  pins,
  ports,
  reread: rereading,
  reroutes,
  subgraphs,
  substitute: substitution,
  usualPins: usual,
  wrapping,
};

/** What these modules tell of a document, and parts of edits that are tried with the whole. */
export const READERS: ReadonlySet<string> = new Set([
  "allReal",
  "alone",
  "usualPins",
  "endBoxes",
  "boxOf",
  "bounds",
  "clashing",
  "complete",
  "completingAt",
  "contentOf",
  "copyPart",
  "dotsOf",
  "dotsOn",
  "everywhereAmong",
  "fedIn",
  "fedNames",
  "feeding",
  "frameBox",
  "framesWithin",
  "freeName",
  "hiddenIn",
  "innerOf",
  "insertSockets",
  "instancesOf",
  "isExposed",
  "isShared",
  "keptDots",
  "leadThrough",
  "linkedNames",
  "listOf",
  "madeReal",
  "newNode",
  "nextId",
  "nodesIn",
  "randomSeed",
  "rawDots",
  "rawDotsOn",
  "readEverywhere",
  "substitutes",
  "surroundings",
  "uses",
  "withContent",
  "withList",
  "withoutDots",
  "writeEverywhere",
]);

const TYPES = [...catalogue.keys(), "Reroute", "PrimitiveNode", "Note", "NoSuchNode"];
const one = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(1, list.length)];
const ids = ({ doc, at }: Chance) => [...graphOf(doc, at).nodes.keys()];
const pick = (chance: Chance, n: number) => one(ids(chance), n) ?? "0";
const some = (chance: Chance) => ids(chance).filter((_, i) => (chance.a >> (i % 8)) & 1);
const aLink = ({ doc, at, a }: Chance) => one([...graphOf(doc, at).links.keys()], a) ?? -1;
const aFrame = ({ doc, at, a }: Chance) => one([...graphOf(doc, at).frames.keys()], a) ?? -1;
const place = ({ b, c }: Chance) => ({ x: b, y: c });
const definition = ({ doc, a }: Chance) => one([...doc.subgraphs.values()], a);
const around = ({ doc, at }: Chance) => edits.surroundings(doc, at, catalogue);
const instances = (chance: Chance) =>
  ids(chance).filter((id) => chance.doc.subgraphs.has(graphOf(chance.doc, chance.at).nodes.get(id)?.type ?? ""));
let fresh = 0;

/** Every edit that there is, by the name of its function. */
export const GESTURES: Readonly<Record<string, (chance: Chance) => Doc>> = {
  addNode: (now) => edits.addNode(now.doc, now.at, one(TYPES, now.a) as string, place(now))[0],
  editNode: (now) => edits.editNode(now.doc, now.at, pick(now, now.a), (node) => ({ ...node, x: node.x + 1 })),
  editNodes: (now) => edits.editNodes(now.doc, now.at, some(now), (node) => ({ ...node, y: node.y + 1 })),
  moveNodes: (now) => edits.moveNodes(now.doc, now.at, new Map(some(now).map((id) => [id, place(now)]))),
  setValue: (now) => {
    const node = graphOf(now.doc, now.at).nodes.get(pick(now, now.a));
    const widget = node && one(shapeOf(node, around(now)).widgets, now.b);
    const value = widget?.kind === "text" ? `words ${now.c}` : (widget?.default ?? null);
    return node && widget ? edits.setValue(now.doc, now.at, node.id, widget.name, value) : now.doc;
  },
  writeText: (now) => {
    const node = graphOf(now.doc, now.at).nodes.get(pick(now, now.a));
    const widget = node && shapeOf(node, around(now)).widgets.find(isTall);
    const text = "more and more words ".repeat(now.b % 30);
    if (!node || !widget) return now.doc;
    return edits.writeText(now.doc, now.at, node.id, { widget: widget.name, text }, catalogue);
  },
  resetValue: (now) => {
    const node = graphOf(now.doc, now.at).nodes.get(pick(now, now.a));
    return edits.resetValue(now.doc, now.at, node?.id ?? "", one(Object.keys(node?.values ?? {}), now.b) ?? "");
  },
  renameNode: (now) => edits.renameNode(now.doc, now.at, pick(now, now.a), now.b % 3 ? `title ${now.c}` : ""),
  toggleMode: (now) => edits.toggleMode(now.doc, now.at, some(now), now.b % 2 ? 2 : 4),
  toggleCollapsed: (now) => edits.toggleCollapsed(now.doc, now.at, some(now)),
  colourNodes: (now) => edits.colourNodes(now.doc, now.at, some(now), now.b % 2 ? "#322" : undefined),
  resizeNode: (now) =>
    edits.resizeNode(now.doc, now.at, pick(now, now.a), 200 + (now.b % 300), now.c % 2 ? now.c % 400 : undefined),
  connect: (now) => {
    const { nodes } = graphOf(now.doc, now.at);
    const from = nodes.get(pick(now, now.a));
    const to = nodes.get(pick(now, now.b));
    if (!from || !to || from === to) return now.doc;
    const outputs = shapeOf(from, around(now)).outputs;
    const slot = now.c % Math.max(1, outputs.length);
    const output = outputs[slot];
    const input = output && shapeOf(to, around(now)).inputs.find((each) => fits(output.type, each.type));
    if (!output || !input) return now.doc;
    return edits.connect(now.doc, now.at, { from: from.id, slot, to: to.id, input: input.name, type: output.type });
  },
  disconnect: (now) =>
    edits.disconnect(now.doc, now.at, [...graphOf(now.doc, now.at).links.keys()].slice(now.a % 5, (now.a % 5) + 2)),
  removeNodes: (now) => edits.removeNodes(now.doc, now.at, [pick(now, now.a)], now.b % 2 === 0),
  healAround: (now) => edits.healAround(now.doc, now.at, pick(now, now.a)),
  extractNodes: (now) => edits.extractNodes(now.doc, now.at, some(now).slice(0, 2)),
  insertOnLink: (now) => edits.insertOnLink(now.doc, now.at, pick(now, now.b), aLink(now), catalogue),
  addReroute: (now) => (aLink(now) < 0 ? now.doc : edits.addReroute(now.doc, now.at, aLink(now), place(now))[0]),
  addFrame: (now) => edits.addFrame(now.doc, now.at, { x: now.b, y: now.c, width: 600, height: 400 }, "Frame")[0],
  editFrame: (now) => edits.editFrame(now.doc, now.at, aFrame(now), { title: `F ${now.b}`, color: "#a1309b" }),
  removeFrame: (now) => edits.removeFrame(now.doc, now.at, aFrame(now)),
  toggleFolded: (now) => frames.toggleFolded(now.doc, now.at, [aFrame(now)], around(now)),
  uncover: (now) => frames.uncover(now.doc, now.at, pick(now, now.a)),
  shiftPart: (now) => {
    const part = { nodes: new Set(some(now)), frames: new Set([aFrame(now)].filter((id) => id >= 0)) };
    return frames.shiftPart(now.doc, now.at, part, place(now));
  },
  paste: (now) => {
    const part = { nodes: new Set(some(now).slice(0, 4)), frames: new Set([aFrame(now)]) };
    return clip.paste(now.doc, now.at, clip.copyPart(now.doc, now.at, part), place(now), now.b % 2 === 0)[0];
  },
  moveDots: (now) => reroutes.moveDots(now.doc, now.at, dotPlaces(now)),
  removeDots: (now) => reroutes.removeDots(now.doc, now.at, new Set([...dotPlaces(now).keys()].slice(0, 1))),
  dotsToNodes: (now) => reroutes.dotsToNodes(now.doc, now.at),
  wrapInSubgraph: (now) => {
    const frames = new Set(now.b % 2 ? [aFrame(now)] : []);
    const given = { id: `sub-${++fresh}`, name: "Part", catalogue, portId: () => `port-${++fresh}`, frames };
    return wrapping.wrapInSubgraph(now.doc, now.at, new Set(some(now).slice(0, 3)), given)[0];
  },
  unwrapSubgraph: (now) => wrapping.unwrapSubgraph(now.doc, now.at, one(instances(now), now.a) ?? "", catalogue)[0],
  dropUnused: (now) => subgraphs.dropUnused(now.doc),
  renameSubgraph: (now) => subgraphs.renameSubgraph(now.doc, definition(now)?.id ?? "", `Part ${now.b}`),
  separate: (now) => subgraphs.separate(now.doc, now.at, one(instances(now), now.a) ?? "", `own-${++fresh}`),
  withNewIds: (now) => subgraphs.withNewIds(now.doc, new Map([[definition(now)?.id ?? "", `new-${++fresh}`]])),
  addPort: (now) => {
    const inside = definition(now);
    const node = inside && one([...inside.graph.nodes.values()], now.b);
    if (!inside || !node) return now.doc;
    const shape = shapeOf(node, { catalogue, doc: now.doc, graph: inside.graph });
    const side = now.c % 2 ? "in" : "out";
    const input = one(shape.inputs, now.c);
    const slot = now.c % Math.max(1, shape.outputs.length);
    const output = shape.outputs[slot];
    const id = `port-${++fresh}`;
    if (side === "in" && input)
      return ports.addPort(
        now.doc,
        inside.id,
        side,
        { node: node.id, input: input.name, type: input.type, name: input.name },
        id,
      );
    if (side === "out" && output)
      return ports.addPort(now.doc, inside.id, side, { node: node.id, slot, type: output.type, name: output.name }, id);
    return now.doc;
  },
  renamePort: (now) => {
    const [side, port] = aPort(now);
    return ports.renamePort(now.doc, definition(now)?.id ?? "", side, port, now.b % 3 ? `label ${now.b}` : "");
  },
  removePort: (now) => {
    const [side, port] = aPort(now);
    return ports.removePort(now.doc, definition(now)?.id ?? "", side, port);
  },
  toggleExposed: (now) => {
    const instance = one(instances(now), now.a);
    const inside = now.doc.subgraphs.get(graphOf(now.doc, now.at).nodes.get(instance ?? "")?.type ?? "");
    const node = inside && one([...inside.graph.nodes.values()], now.b);
    const widget = node && one(shapeOf(node, { catalogue, doc: now.doc, graph: inside.graph }).widgets, now.c);
    if (!instance || !node || !widget) return now.doc;
    return ports.toggleExposed(now.doc, now.at, instance, { node: node.id, widget: widget.name }, catalogue);
  },
  reread: (now) => {
    // A class goes from the server, and comes back.
    const gone = one([...catalogue.keys()], now.a);
    const fewer = new Map([...catalogue].filter(([type]) => type !== gone));
    return rereading.reread(rereading.reread(now.doc, catalogue, fewer), fewer, catalogue);
  },
  settleExposed: (now) => exposed.settleExposed(now.doc, catalogue),
  yieldExposed: (now) => exposed.yieldExposed(now.doc, definition(now)?.id ?? "", String(now.b % 9), "text"),
  togglePin: (now) => pins.togglePin(now.doc, pick(now, now.a), "text"),
  withUsualForm: (now) => usual.withUsualForm(now.doc, catalogue),
  movePin: (now) => pins.movePin(now.doc, now.a % 3, now.b % 3),
  labelPin: (now) => pins.labelPin(now.doc, pick(now, now.a), "text", now.b % 2 ? `label ${now.c}` : ""),
  movePins: (now) => pins.movePins(now.doc, now.at, (id) => [id]),
  addLora: (now) => completion.addLora(now.doc, now.at, pick(now, now.a), "ink.safetensors"),
  substitute: (now) =>
    substitution.substitute(now.doc, now.at, pick(now, now.a), one([...catalogue.keys()], now.b) as string, catalogue),
  afterRun: (now) => afterRun.afterRun(now.doc, catalogue, () => (now.a % 100) / 100),
};

function dotPlaces(now: Chance): ReadonlyMap<number, { x: number; y: number }> {
  return new Map([...reroutes.dotsOf(now.doc, now.at).keys()].map((id) => [id, place(now)]));
}

function aPort(now: Chance): readonly ["in" | "out", NodeId] {
  const side = now.c % 2 ? "in" : "out";
  const list = side === "in" ? definition(now)?.inputs : definition(now)?.outputs;
  return [side, one(list ?? [], now.a)?.id ?? ""];
}

/** A workflow with something of everything: points on links, a frame, and a subgraph with two nodes that differ. */
export function ofEverything(): Doc {
  const { doc, id } = textToImage();
  const [link] = linksInto(doc.root, id.sampler as NodeId);
  const dotted: Doc = {
    ...doc,
    form: [{ node: id.positive as NodeId, widget: "text" }],
    extra: {
      reroutes: [{ id: 1, pos: [40, 40], linkIds: [link?.id ?? 0] }],
      linkExtensions: [{ id: link?.id ?? 0, parentId: 1 }],
    },
  };
  const [framed] = edits.addFrame(dotted, ROOT, { x: -200, y: -200, width: 900, height: 900 }, "Start");
  const given = { id: "sub-of-everything", name: "Words", catalogue, portId: () => `port-${++fresh}` };
  const [wrapped, instance] = wrapping.wrapInSubgraph(framed, ROOT, new Set([id.positive as NodeId]), given);
  const shown = { node: id.positive as NodeId, widget: "text" };
  const exposing = ports.toggleExposed(wrapped, ROOT, instance ?? "", shown, catalogue);
  const part = { nodes: new Set([instance ?? ""]), frames: new Set<number>() };
  const [twice, { nodes }] = clip.paste(exposing, ROOT, clip.copyPart(exposing, ROOT, part), { x: 50, y: 400 });
  return edits.editNode(twice, ROOT, nodes[0] ?? "", (node) => ({
    ...node,
    values: { ...node.values, [`${shown.node}:text`]: "words of its own" },
  }));
}
