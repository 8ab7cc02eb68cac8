import { arrange, arrangeInput } from "./arrange";
import { type Doc, emptyDoc, type GraphNode, type Link, type Slot } from "./document";
import { BadFile } from "./editorFile";
import { moveNodes, newNode, surroundings } from "./edits";
import { asText, isList, isObject, type Json, type JsonObject, without } from "./json";
import { currentClass, currentInput } from "./legacy";
import { rowsIn, withRows } from "./rows";
import type { Catalogue, NodeSchema, WidgetSchema } from "./schema";
import { fieldsOf, isEditorOnly, schemaShape } from "./schemaShape";

/** Whether there are nodes of the API's format in it, and maybe other things beside them. */
export function isApiFile(value: unknown): value is JsonObject {
  return isObject(value) && Object.values(value).some((one) => isObject(one) && typeof one.class_type === "string");
}

/** A document made from an API-format graph, its nodes set out in columns since the format has no places. */
export function openApiFile(file: JsonObject, catalogue: Catalogue, newId: () => string): Doc {
  const numbers = renumber(Object.keys(file));
  const entries = Object.entries(file).filter((entry): entry is [string, JsonObject] => isObject(entry[1]));
  const used = usedSlots(entries);
  const nodes = entries.map(([id, raw]) => readNode(numbers.get(id) as string, raw, catalogue, used.get(id) ?? 1));
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

/** How many outputs each node must have for the links that there are. */
function usedSlots(entries: readonly (readonly [string, JsonObject])[]): ReadonlyMap<string, number> {
  const used = new Map<string, number>();
  for (const [, { inputs }] of entries)
    for (const value of isObject(inputs) ? Object.values(inputs) : [])
      if (isLink(value)) used.set(value[0], Math.max(used.get(value[0]) ?? 1, Math.min(value[1], 999) + 1));
  return used;
}

/** Numbers stay what they are; other ids ("57:28") get numbers of their own. */
function renumber(ids: readonly string[]): ReadonlyMap<string, string> {
  let free = Math.max(0, ...ids.filter((id) => /^\d+$/.test(id)).map(Number));
  return new Map(ids.map((id) => [id, /^\d+$/.test(id) ? String(Number(id)) : String(++free)]));
}

function readNode(id: string, raw: JsonObject, catalogue: Catalogue, outputs: number): GraphNode {
  if (typeof raw.class_type !== "string")
    throw new BadFile(`Node ${id} does not say what it is: it has no class_type.`);
  const type = currentClass(raw.class_type);
  const inputs = isObject(raw.inputs) ? raw.inputs : {};
  const meta = isObject(raw._meta) ? raw._meta : {};
  const schema = catalogue.get(type);
  const values = Object.entries(inputs).flatMap(([name, value]) =>
    isLink(value) ? [] : [[currentInput(type, name, schema), unwrap(value)] as const],
  );
  const node = {
    ...newNode(type, id, { x: 0, y: 0 }),
    values: schema ? gatherRows(schema, Object.fromEntries(values)) : {},
  };
  const title = asText(meta.title);
  const shape = schema && schemaShape(schema);
  // A value where the class has a socket keeps its name as a field does.
  const known = (name: string, value: Json) =>
    shape?.inputs.some((one) => one.name === name && (one.widget !== undefined || isLink(value))) ||
    (!isLink(value) && schema?.widgets.some((one) => one.rows?.places.includes(name)));
  const extra = Object.entries(inputs)
    .map(([name, value]) => ({ name: currentInput(type, name, schema), value }))
    .filter(({ name, value }) => !known(name, value) && !isEditorOnly(name));
  const given = schema?.outputs ?? [];
  return {
    ...node,
    title: title && title !== schema?.title ? title : undefined,
    inputs:
      extra.length && schema
        ? [...fieldsOf(schema.widgets).map(fieldSlot), ...extra.map(extraSlot)]
        : extra.map(extraSlot),
    outputs:
      schema && outputs <= given.length
        ? []
        : Array.from({ length: outputs }, (_, i) => given[i] ?? unnamed(i)).map(outputSlot),
    ...(schema ? {} : { loose: values.map(([, value]) => value) }),
  };
}

/** The values with each list of rows in one, as the document has it. */
function gatherRows(schema: NodeSchema, values: JsonObject): JsonObject {
  return schema.widgets.reduce((all, { name, rows }) => {
    if (!rows) return all;
    const held = rowsIn(
      rows,
      rows.places.map((place) => all[place] ?? null),
    );
    return { ...without(all, rows.places), [name]: withRows(rows, undefined, held) };
  }, values);
}

const fieldSlot = ({ name, type }: WidgetSchema): Slot => ({ name, type, widget: name, rest: {} });

/** An input that the class has not, or of a class that is not known: a value keeps its name as a field. */
function extraSlot({ name, value }: { readonly name: string; readonly value: Json }): Slot {
  const slot = { name, type: TYPES[typeof value] ?? "*", rest: {} };
  return isLink(value) ? slot : { ...slot, widget: name };
}

const unnamed = (place: number) => ({ name: place ? `output ${place}` : "output", type: "*" });
const outputSlot = ({ name, type }: { readonly name: string; readonly type: string }): Slot => ({
  name,
  type,
  rest: {},
});

const TYPES: Readonly<Record<string, string>> = {
  string: "STRING",
  number: "FLOAT",
  bigint: "INT",
  boolean: "BOOLEAN",
};

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
    const type = catalogue.get(currentClass(asText(source.class_type)))?.outputs[value[1]]?.type ?? "*";
    const own = currentClass(asText(raw.class_type));
    const name = currentInput(own, input, catalogue.get(own));
    return [{ id: 0, from, slot: value[1], to: numbers.get(id) as string, input: name, type, rest: {} }];
  });
}
