import { arrange, arrangeInput } from "./arrange";
import { type Doc, emptyDoc, type GraphNode, type Link, type Slot } from "./document";
import { moveNodes, newNode, surroundings } from "./edits";
import { asText, isList, isObject, type Json, type JsonObject } from "./json";
import type { Catalogue } from "./schema";
import { schemaShape } from "./shape";

export function isApiFile(value: unknown): value is JsonObject {
  if (!isObject(value)) return false;
  const entries = Object.values(value);
  return entries.length > 0 && entries.every((one) => isObject(one) && typeof one.class_type === "string");
}

/** A document made from an API-format graph, its nodes set out in columns since the format has no places. */
export function openApiFile(file: JsonObject, catalogue: Catalogue, newId: () => string): Doc {
  const numbers = renumber(Object.keys(file));
  const entries = Object.entries(file).filter((entry): entry is [string, JsonObject] => isObject(entry[1]));
  const nodes = entries.map(([id, raw]) => readNode(numbers.get(id) as string, raw, catalogue));
  const links = entries
    .flatMap(([id, raw]) => readLinks(id, raw, file, numbers, catalogue))
    .map((link, i) => ({ ...link, id: i + 1 }));
  const doc: Doc = {
    ...emptyDoc(newId()),
    root: {
      nodes: new Map(nodes.map((node) => [node.id, node])),
      links: new Map(links.map((link) => [link.id, link])),
      frames: new Map(),
      lastNode: Math.max(0, ...nodes.map((node) => Number(node.id))),
      lastLink: links.length,
    },
  };
  return tidy(doc, catalogue);
}

/** The document with every node of its root set out in columns. */
export function tidy(doc: Doc, catalogue: Catalogue): Doc {
  const around = surroundings(doc, "root", catalogue);
  return moveNodes(doc, "root", arrange(arrangeInput(around, new Set(doc.root.nodes.keys()))));
}

/** Numbers stay what they are; other ids ("57:28") get numbers of their own. */
function renumber(ids: readonly string[]): ReadonlyMap<string, string> {
  let free = Math.max(0, ...ids.filter((id) => /^\d+$/.test(id)).map(Number));
  return new Map(ids.map((id) => [id, /^\d+$/.test(id) ? String(Number(id)) : String(++free)]));
}

function readNode(id: string, raw: JsonObject, catalogue: Catalogue): GraphNode {
  const type = asText(raw.class_type).trim();
  const inputs = isObject(raw.inputs) ? raw.inputs : {};
  const meta = isObject(raw._meta) ? raw._meta : {};
  const schema = catalogue.get(type);
  const values = Object.entries(inputs).filter(([, value]) => !isLink(value));
  const node = {
    ...newNode(type, id, { x: 0, y: 0 }),
    values: Object.fromEntries(values.map(([name, value]) => [name, unwrap(value)])),
  };
  const title = asText(meta.title);
  const known = schema ? schemaShape(schema).inputs.map((one) => one.name) : [];
  const slots = Object.entries(inputs)
    .filter(([name, value]) => isLink(value) && !known.includes(name))
    .map(([name]): Slot => ({ name, type: "*", rest: {} }));
  return {
    ...node,
    title: title && title !== schema?.title ? title : undefined,
    inputs: slots,
    outputs: schema ? [] : [{ name: "output", type: "*", rest: {} }],
    ...(schema ? {} : { loose: values.map(([, value]) => value) }),
  };
}

function isLink(value: Json): value is readonly [string, number] {
  return isList(value) && value.length === 2 && typeof value[0] === "string" && typeof value[1] === "number";
}

function unwrap(value: Json): Json {
  return isObject(value) && "__value__" in value ? (value.__value__ as Json) : value;
}

function readLinks(
  id: string,
  raw: JsonObject,
  file: JsonObject,
  numbers: ReadonlyMap<string, string>,
  catalogue: Catalogue,
): Link[] {
  const inputs = isObject(raw.inputs) ? raw.inputs : {};
  return Object.entries(inputs).flatMap(([input, value]) => {
    if (!isLink(value)) return [];
    const from = numbers.get(value[0]);
    const source = file[value[0]];
    if (!from || !isObject(source)) return [];
    const type = catalogue.get(asText(source.class_type))?.outputs[value[1]]?.type ?? "*";
    return [{ id: 0, from, slot: value[1], to: numbers.get(id) as string, input, type, rest: {} }];
  });
}
