import { type Graph, type GraphNode, linksInto, type Slot } from "./document";
import type { NodeSchema, OutputSchema, WidgetKind, WidgetSchema } from "./schema";
import type { InputShape, NodeShape, WidgetShape } from "./shape";

/* The shape of a node whose class the server describes: the class's, fitted to what is linked, chosen and filed. */

const fromSchema = new WeakMap<NodeSchema, NodeShape>();

export function schemaShape(schema: NodeSchema): NodeShape {
  const known = fromSchema.get(schema);
  if (known) return known;
  const shape: NodeShape = {
    kind: "schema",
    title: schema.title,
    category: schema.category,
    description: schema.description,
    inputs: [...schema.sockets, ...fieldsOf(schema.widgets).map(widgetInput)],
    widgets: schema.widgets,
    outputs: schema.outputs,
    terminal: schema.terminal,
    uploadAfter: schema.uploadAfter,
  };
  fromSchema.set(schema, shape);
  return shape;
}

/** The widgets that a link may stand in for: no list of rows. */
export const fieldsOf = <T extends WidgetSchema>(widgets: readonly T[]): readonly T[] =>
  widgets.some((one) => one.rows) ? widgets.filter((one) => !one.rows) : widgets;

function widgetInput({ name, label, type, tooltip }: WidgetSchema): InputShape {
  return { name, label, type, tooltip, optional: true, widget: name };
}

/** The class's shape as this node has it. */
export function fittedShape(schema: NodeSchema, node: GraphNode, graph: Graph): NodeShape {
  return withFileSlots(shownShape(schema, node, graph), node, schema, graph);
}

const shown = new WeakMap<NodeSchema, Map<string, NodeShape>>();

/** Without the inputs that another choice brings, and of a row that grows those that are linked and one more. */
function shownShape(schema: NodeSchema, node: GraphNode, graph: Graph): NodeShape {
  const whole = schemaShape(schema);
  const least = schema.sockets.find((one) => one.each)?.each?.min;
  const chosen = schema.widgets.some((one) => one.when) || schema.sockets.some((one) => one.when);
  if (least === undefined && !chosen) return whole;
  const linked = new Set(linksInto(graph, node.id).map((link) => link.input));
  const last = schema.sockets.reduce((top, { each, name }) => (each && linked.has(name) ? each.at : top), -1);
  const count = Math.max(least ?? 0, last + 2);
  const hidden = new Set([
    ...schema.sockets.filter((one) => one.each && one.each.at >= count).map((one) => one.name),
    ...(chosen ? unchosen(schema, node, linked) : []),
  ]);
  const key = [...hidden].join(" ");
  const known = shown.get(schema) ?? new Map<string, NodeShape>();
  shown.set(schema, known);
  const visible = (one: { readonly name: string }) => !hidden.has(one.name);
  const shape = known.get(key) ?? {
    ...whole,
    inputs: whole.inputs.filter(visible),
    widgets: whole.widgets.filter(visible),
  };
  known.set(key, shape);
  return shape;
}

/** Inputs that what is chosen does not bring. Those that are linked stay, and all do where a link makes the choice. */
function unchosen(schema: NodeSchema, node: GraphNode, linked: ReadonlySet<string>): readonly string[] {
  return [...schema.sockets, ...schema.widgets].flatMap(({ name, when }) => {
    if (!when || linked.has(name) || linked.has(when.choice)) return [];
    const choice = schema.widgets.find((one) => one.name === when.choice);
    const value = node.values[when.choice] ?? choice?.default;
    return when.values.includes(String(value)) ? [] : [name];
  });
}

/** Slots that files have for buttons, headings and what follows a run: no inputs of a node. */
const EDITOR_ONLY = new Set([
  "upload",
  "choose file to upload",
  "control_after_generate",
  "control_before_generate",
  "control_filter_list",
  "PowerLoraLoaderHeaderWidget",
  "➕ Add Lora",
]);

export function isEditorOnly(name: string): boolean {
  return EDITOR_ONLY.has(name);
}

/** Whether a slot is such, by its own name or by that of its widget. */
export const isButton = ({ name, widget = "" }: Slot): boolean => isEditorOnly(name) || isEditorOnly(widget);

/** What a file has and the class has not (another version's inputs, fields and outputs) stays: nothing is lost. */
function withFileSlots(shape: NodeShape, node: GraphNode, schema: NodeSchema, graph: Graph): NodeShape {
  const inputs = withFileInputs(shape, node, schema, graph);
  if (node.outputs.length <= shape.outputs.length) return inputs;
  return { ...inputs, outputs: [...shape.outputs, ...node.outputs.slice(shape.outputs.length).map(slotOutput)] };
}

function withFileInputs(shape: NodeShape, node: GraphNode, schema: NodeSchema, graph: Graph): NodeShape {
  const whole = schemaShape(schema);
  const places = schema.widgets.flatMap((one) => one.rows?.places ?? []);
  const known = (name: string) =>
    whole.inputs.some((one) => one.name === name) ||
    (places.includes(name) && !linksInto(graph, node.id).some((link) => link.input === name));
  const fields = listsAnotherVersion(node, schema) ? otherFields(node, schema) : [];
  const extra = node.inputs.filter((slot) => !known(slot.name) && !isButton(slot) && !isGrown(slot, whole));
  if (!extra.length && !fields.length) return shape;
  const names = new Set(fields.map((slot) => slot.name));
  const sockets = [...shape.inputs.filter((one) => !one.widget), ...extra.map(slotInput)];
  const widgets = [...shape.widgets, ...fields.map(slotWidget)];
  const listed = fieldsOf(shape.widgets).every((widget) => node.inputs.some((slot) => slot.widget === widget.name));
  const ordered = fields.length && listed ? inFileOrder(widgets, node.inputs) : widgets;
  const input = (widget: WidgetShape) =>
    shape.inputs.find((one) => one.widget === widget.name) ?? { ...widgetInput(widget), optional: true };
  return {
    ...shape,
    // A file that lists another version's fields has a place for the button only where it lists that too.
    ...(fields.length ? { uploadAfter: -1 } : {}),
    widgets: ordered,
    inputs: [...sockets.filter((one) => !names.has(one.name)), ...fieldsOf(ordered).map(input)],
  };
}

/** Whether a file that lists a node's fields lists others than the class has today, and as many. */
export function listsAnotherVersion(node: GraphNode, schema: NodeSchema): boolean {
  if (schema.widgets.some((one) => one.when)) return false;
  const listed = node.inputs.filter((slot) => slot.widget).length;
  return listed >= fieldsOf(schema.widgets).length && node.inputs.some((slot) => isOther(slot, schema));
}

const isOther = (slot: Slot, schema: NodeSchema) =>
  slot.widget !== undefined && !isButton(slot) && !schema.widgets.some((one) => one.name === slot.widget);

const otherFields = (node: GraphNode, schema: NodeSchema) => node.inputs.filter((slot) => isOther(slot, schema));

function inFileOrder(widgets: readonly WidgetShape[], slots: readonly Slot[]): readonly WidgetShape[] {
  const place = (widget: WidgetShape) => {
    const at = slots.findIndex((slot) => slot.widget === widget.name);
    return at < 0 ? slots.length : at;
  };
  return [...widgets].sort((a, b) => place(a) - place(b));
}

/** Empty places of a growing row, as files have them, come back when they are needed. */
function isGrown(slot: Slot, shape: NodeShape): boolean {
  const row = slot.name.slice(0, slot.name.lastIndexOf(".") + 1);
  return row !== "" && shape.inputs.some((one) => one.name.startsWith(row));
}

export function slotInput(slot: Slot): InputShape {
  return { name: slot.name, label: slot.label ?? slot.name, type: slot.type, optional: true };
}

export function slotOutput(slot: Slot): OutputSchema {
  return { name: slot.label ?? slot.name, type: slot.type, list: false };
}

const KINDS = new Map<string, WidgetKind>([
  ["INT", "int"],
  ["FLOAT", "float"],
  ["BOOLEAN", "toggle"],
]);

/** What a file tells of a field that no class describes. */
export function slotWidget(slot: Slot): WidgetShape {
  const name = slot.widget ?? slot.name;
  const kind = KINDS.get(slot.type) ?? "text";
  const widget = textWidget(name, slot.type, slot.type === "STRING");
  return { ...widget, label: slot.label ?? name, kind, default: kind === "text" ? "" : kind === "toggle" ? false : 0 };
}

export function textWidget(name: string, type = "STRING", multiline = true): WidgetShape {
  return {
    name,
    label: name,
    kind: "text",
    type,
    default: "",
    optional: true,
    multiline,
    dynamicPrompts: false,
    control: false,
    upload: false,
    options: [],
    advanced: false,
  };
}
