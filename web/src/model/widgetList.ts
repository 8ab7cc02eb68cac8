import { type GraphNode, heldValue } from "./document";
import { isList, isObject, type Json } from "./json";
import { currentValue } from "./legacy";
import { emptyRows, takeRows } from "./rows";
import type { NodeSchema, RowsSchema, WidgetSchema } from "./schema";
import { fieldsOf, isEditorOnly, listsAnotherVersion, slotWidget } from "./schemaShape";
import { type NodeShape, proxyEntries, type WidgetShape } from "./shape";

/*
 * `widgets_values`: in a file the values of a node's widgets are a list without names. Which value is whose is said by
 * the class, by the file's own list of fields where it tells of another version of the class, and by what was chosen.
 */

const CONTROLS = ["fixed", "increment", "decrement", "randomize"];
/** Whether a value says what happens to a seed after a run. */
export function isControl(value: Json | undefined): value is string {
  return typeof value === "string" && CONTROLS.includes(value);
}

type Values = Readonly<Record<string, Json>>;

interface Field {
  readonly name: string;
  readonly type: string;
  readonly control: boolean;
  /** A socket that old files counted: its value is nobody's. */
  readonly forced?: boolean;
}

interface Taken {
  readonly values: Values;
  readonly rest: readonly Json[];
}

/** The node with its values by name. What no widget takes stays in `loose`. */
export function nameValues(node: GraphNode, shape: NodeShape, schema: NodeSchema | undefined): GraphNode {
  const { loose } = node;
  if (loose === undefined || loose === null || shape.kind === "unknown") return node;
  if (isObject(loose)) return takeNamed(node, loose, schema?.widgets ?? shape.widgets);
  if (!isList(loose)) return node;
  const { values, rest } = readList(node, shape, loose, schema);
  return { ...node, values, loose: rest.length ? rest : undefined };
}

function takeNamed(node: GraphNode, loose: Values, widgets: readonly WidgetSchema[]): GraphNode {
  const names = new Set(widgets.flatMap((one) => [one.name, `${one.name}:control`]));
  const entries = Object.entries(loose);
  const rest = entries.filter(([name]) => !names.has(name));
  const values = Object.fromEntries(entries.filter(([name]) => names.has(name)));
  return { ...node, values, loose: rest.length ? Object.fromEntries(rest) : undefined };
}

function readList(node: GraphNode, shape: NodeShape, list: readonly Json[], schema: NodeSchema | undefined): Taken {
  if (shape.kind === "primitive") return readPrimitive(list);
  if (shape.kind === "subgraph") return { values: readInstance(node, shape, list), rest: [] };
  if (!schema) return take(list, shape.widgets);
  const rows = schema.widgets.find(hasRows);
  if (rows) {
    const widgets = fieldsOf(schema.widgets);
    const { own, rest } = takeRows(rows, list, !widgets.length);
    const taken = readList(node, shape, rest, { ...schema, widgets });
    return own.length ? { ...taken, values: { ...taken.values, [rows.name]: own } } : taken;
  }
  const fields = fieldsInOrder(node, list, schema);
  return take(list, fields, fields === schema.widgets ? schema.uploadAfter : -1);
}

const hasRows = (one: WidgetSchema): one is WidgetSchema & { readonly rows: RowsSchema } => one.rows !== undefined;

function take(list: readonly Json[], fields: readonly Field[], uploadAfter = -1): Taken {
  const values: [string, Json][] = [];
  let at = 0;
  fields.forEach((field, i) => {
    if (i === uploadAfter && isUploadSlot(list[at])) at += 1;
    if (at >= list.length) return;
    const value = list[at++] ?? null;
    if (!field.forced && !isEditorOnly(field.name)) values.push([field.name, currentValue(field.name, value)]);
    const control = controlIn(list, at, field, list.length - at > fields.length - i - 1);
    if (control === undefined) return;
    at += 1;
    values.push([`${field.name}:control`, control]);
  });
  if (uploadAfter === fields.length && isUploadSlot(list[at])) at += 1;
  return { values: Object.fromEntries(values), rest: list.slice(at) };
}

function isUploadSlot(value: Json | undefined): boolean {
  return value === "image" || value === null || value === "" || isObject(value);
}

/** What follows a run, where the value at this place says it. The first files said whether a seed is random. */
export function controlIn(list: readonly Json[], at: number, field: Field, spare: boolean): string | undefined {
  const value = list[at];
  if (isControl(value))
    return field.control || (spare && !["STRING", "BOOLEAN"].includes(field.type)) ? value : undefined;
  if (typeof value === "boolean" && field.control && spare) return value ? "randomize" : "fixed";
  return undefined;
}

const listedFields = (node: GraphNode): readonly WidgetShape[] =>
  node.inputs.filter((slot) => slot.widget).map(slotWidget);

/** The widgets, as the file counted them. */
function fieldsInOrder(node: GraphNode, list: readonly Json[], schema: NodeSchema): readonly Field[] {
  const { widgets } = schema;
  const listed = listedFields(node);
  const named = (field: Field): Field => widgets.find((one) => one.name === field.name) ?? field;
  if (widgets.some((one) => one.when))
    return listed.length >= list.length ? listed.map(named) : chosenFields(list, widgets);
  if (listsAnotherVersion(node, schema)) {
    const others = listed.filter((one) => !widgets.some((two) => two.name === one.name));
    const counted = list.filter((value) => !isControl(value)).length;
    const leavesOut = listed.length < counted && counted === widgets.length + others.length;
    return leavesOut ? [...widgets, ...others] : listed.map(named);
  }
  const forced = schema.legacy.map((one): Field => ({ ...one, type: one.control ? "INT" : "*" }));
  const slots = (fields: readonly Field[]) => fields.reduce((sum, one) => sum + (one.control ? 2 : 1), 0);
  const old = forced.some((one) => one.forced) && slots(forced) === list.length && slots(widgets) !== list.length;
  return old ? forced : widgets;
}

/** The widgets that each choice in the list brings, right after it. */
function chosenFields(list: readonly Json[], widgets: readonly WidgetSchema[]): readonly Field[] {
  const found: WidgetSchema[] = [];
  for (const one of widgets) {
    if (one.when) continue;
    const chosen = String(list[found.length]);
    found.push(one, ...widgets.filter(({ when }) => when?.choice === one.name && when.values.includes(chosen)));
  }
  return found;
}

function readPrimitive(list: readonly Json[]): Taken {
  const [value, control] = list;
  if (value === undefined) return { values: {}, rest: [] };
  return isControl(control)
    ? { values: { value, "value:control": control }, rest: list.slice(2) }
    : { values: { value }, rest: list.slice(1) };
}

/** An instance's values are those of its exposed widgets: of its inputs by name, of inner nodes as `<id>:<name>`. */
function readInstance(node: GraphNode, shape: NodeShape, list: readonly Json[]): Values {
  const entries = proxyEntries(node)?.map(entryName);
  const named = entries
    ? entries.flatMap((name, i) => (name === undefined ? [] : [[name, list[i] ?? null] as const]))
    : Object.entries(take(list, instanceFields(node, shape)).values).filter(([name]) => !name.endsWith(":control"));
  return Object.fromEntries(named.filter(([, value]) => value !== null));
}

/** The name that an exposed widget's value has on the instance, if it has a value there. */
function entryName([id, name]: readonly [string, string]): string | undefined {
  if (id === "-1") return name;
  return name.startsWith("$$") || isEditorOnly(name) ? undefined : `${id}:${name}`;
}

/** An instance's own list of fields says whose its values are if it is whole, else the subgraph's inputs do. */
function instanceFields(node: GraphNode, shape: NodeShape): readonly Field[] {
  const own = listedFields(node);
  const list = isList(node.loose) ? node.loose : [];
  const field = ({ name, type }: WidgetShape): Field => {
    const known = shape.widgets.find((one) => one.name === name);
    return { name, type, control: known?.control ?? false };
  };
  const whole = [list.length, shape.widgets.length].includes(own.length) || own.length > shape.widgets.length;
  return (whole ? own : shape.widgets).map(field);
}

/** The values of a node that no class describes, by the names of the fields that the file lists. */
export function valuesBySlots(node: GraphNode): Values {
  if (isObject(node.loose)) return node.loose;
  return isList(node.loose) ? take(node.loose, listedFields(node)).values : node.values;
}

/** The node's `widgets_values` for a file. */
export function listValues(node: GraphNode, shape: NodeShape): Json | undefined {
  if (shape.kind === "unknown") return node.loose;
  if (isObject(node.loose)) return { ...node.values, ...node.loose };
  const rest = isList(node.loose) ? node.loose : [];
  if (shape.kind === "primitive") return listPrimitive(node, rest);
  if (shape.kind === "subgraph") return listInstance(node, shape);
  const list: Json[] = [];
  shape.widgets.forEach((widget, i) => {
    if (i === shape.uploadAfter) list.push("image");
    const value = heldValue(node, widget.name) ?? widget.default;
    if (widget.rows) list.push(...(isList(value) ? value : emptyRows(widget.rows)));
    else list.push(value);
    const control = node.values[`${widget.name}:control`] ?? (widget.control ? "fixed" : undefined);
    if (control !== undefined) list.push(control);
  });
  if (shape.uploadAfter === shape.widgets.length) list.push("image");
  list.push(...rest);
  return list.length ? list : undefined;
}

function listPrimitive(node: GraphNode, rest: readonly Json[]): Json | undefined {
  if (node.values.value === undefined) return rest.length ? rest : undefined;
  const control = node.values["value:control"];
  return [node.values.value, ...(control === undefined ? [] : [control]), ...rest];
}

/** The instance's list of widgets, and those that have a value without being in it: a socket was added later. */
export function instanceEntries(node: GraphNode, shape: NodeShape): readonly (readonly [string, string])[] | undefined {
  const known = proxyEntries(node);
  const late = shape.widgets.filter(
    (one) =>
      !one.inner &&
      node.values[one.name] !== undefined &&
      !known?.some(([id, name]) => id === "-1" && name === one.name),
  );
  return known && [...known, ...late.map((one) => ["-1", one.name] as const)];
}

function listInstance(node: GraphNode, shape: NodeShape): Json {
  const names = instanceEntries(node, shape)?.map(entryName) ?? shape.widgets.map((one) => one.name);
  const list = names.map((name) => (name === undefined ? null : (node.values[name] ?? null)));
  while (list.length && list[list.length - 1] === null) list.pop();
  return list;
}
