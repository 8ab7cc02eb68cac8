import { clampInteger, type Integer } from "./integer";
import { asNumber, asText, isList, isObject, type Json, type JsonObject } from "./json";

/** What must be chosen in which of the node's widgets for it to have an input at all. */
export interface When {
  readonly choice: string;
  readonly values: readonly string[];
}

export type WidgetKind = "int" | "float" | "text" | "toggle" | "choice" | "rows";

/** A list of rows with the same fields: a structure for each of some inputs, edited as one. */
export interface RowsSchema {
  /** The inputs that the rows are sent to, in order. */
  readonly places: readonly string[];
  readonly cells: readonly WidgetSchema[];
  /** What the button says that adds a row. */
  readonly add: string;
  /** What files hold around the rows. */
  readonly before: readonly Json[];
  readonly after: readonly Json[];
}

export interface WidgetSchema {
  readonly name: string;
  readonly label: string;
  readonly kind: WidgetKind;
  /** The socket type that may feed it instead. */
  readonly type: string;
  readonly default: Json;
  readonly optional: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  readonly round?: number;
  readonly multiline: boolean;
  readonly dynamicPrompts: boolean;
  /** A seed: a second value says what happens to it after each run. */
  readonly control: boolean;
  readonly upload: boolean;
  /** The folder of the pictures to choose from, where it is not the one for inputs. */
  readonly folder?: string;
  readonly options: readonly Json[];
  readonly display?: string;
  readonly on?: string;
  readonly off?: string;
  readonly placeholder?: string;
  readonly tooltip?: string;
  readonly advanced: boolean;
  readonly when?: When;
  /** Set where the kind is "rows". */
  readonly rows?: RowsSchema;
}

export interface SocketSchema {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly optional: boolean;
  readonly tooltip?: string;
  /** One of a row of inputs that grows as they are linked: its place in the row. */
  readonly each?: { readonly name: string; readonly at: number; readonly min: number };
  readonly when?: When;
}

export interface OutputSchema {
  readonly name: string;
  readonly type: string;
  readonly list: boolean;
  readonly tooltip?: string;
}

export interface NodeSchema {
  readonly type: string;
  readonly title: string;
  readonly category: string;
  readonly description: string;
  readonly sockets: readonly SocketSchema[];
  readonly widgets: readonly WidgetSchema[];
  readonly outputs: readonly OutputSchema[];
  readonly terminal: boolean;
  readonly deprecated: boolean;
  readonly experimental: boolean;
  readonly aliases: readonly string[];
  /** How many widgets come before the place that a file gives to the upload button; -1 where there is none. */
  readonly uploadAfter: number;
  /** Widgets and forced sockets in order: what very old files counted in `widgets_values`. */
  readonly legacy: readonly { readonly name: string; readonly control: boolean; readonly forced: boolean }[];
}

export type Catalogue = ReadonlyMap<string, NodeSchema>;

const KINDS: Readonly<Record<string, WidgetKind>> = {
  INT: "int",
  FLOAT: "float",
  STRING: "text",
  BOOLEAN: "toggle",
  COMBO: "choice",
};

/** The node classes that the server's `/object_info` describes. Entries that make no sense are left out. */
export function readCatalogue(info: unknown): Catalogue {
  const found = new Map<string, NodeSchema>();
  if (!isObject(info)) return found;
  for (const [type, entry] of Object.entries(info)) if (isObject(entry)) found.set(type, readNode(type, entry));
  return found;
}

function readNode(type: string, entry: JsonObject): NodeSchema {
  const input = isObject(entry.input) ? entry.input : {};
  const order = isObject(entry.input_order) ? entry.input_order : {};
  const required = readInputs(input.required, order.required, false);
  const optional = readInputs(input.optional, order.optional, true);
  const all = afterChoices([...required, ...optional]);
  const widgets = all.filter(isWidget);
  const requiredWidgets = required.filter(isWidget);
  return {
    type,
    title: asText(entry.display_name) || type,
    category: asText(entry.category, "other"),
    description: asText(entry.description),
    sockets: all.filter((one): one is SocketSchema => !isWidget(one)),
    widgets,
    outputs: readOutputs(entry),
    terminal: entry.output_node === true,
    deprecated: entry.deprecated === true,
    experimental: entry.experimental === true,
    aliases: isList(entry.search_aliases) ? entry.search_aliases.map((alias) => asText(alias)) : [],
    uploadAfter: requiredWidgets.some((one) => one.upload) ? requiredWidgets.length : -1,
    legacy: all
      .filter((one) => (isWidget(one) ? !one.rows : one.type in KINDS))
      .map((one) => ({ name: one.name, control: isWidget(one) && one.control, forced: !isWidget(one) })),
  };
}

/** What a choice brings comes right after it, as in files, wherever the server lists it. */
function afterChoices<T extends SocketSchema | WidgetSchema>(inputs: readonly T[]): readonly T[] {
  const broughtBy = (choice: string) => inputs.filter((one) => one.when?.choice === choice);
  const brought = new Set(inputs.flatMap((one) => broughtBy(one.name)));
  return inputs.filter((one) => !brought.has(one)).flatMap((one) => [one, ...broughtBy(one.name)]);
}

function isWidget(one: SocketSchema | WidgetSchema): one is WidgetSchema {
  return "kind" in one;
}

function readInputs(inputs: unknown, order: unknown, optional: boolean): (SocketSchema | WidgetSchema)[] {
  if (!isObject(inputs)) return [];
  const names = isList(order) ? order.filter((name): name is string => typeof name === "string") : Object.keys(inputs);
  const rest = Object.keys(inputs).filter((name) => !names.includes(name));
  const all = [...names, ...rest];
  return all.flatMap((name) => {
    const spec = inputs[name];
    if (!isList(spec)) return [];
    const list = rowsOf(spec);
    if (!list) return [readInput(name, spec, optional)];
    const places = all.filter((one) => isList(inputs[one]) && rowsOf(inputs[one])?.name === list.name);
    return places[0] === name ? [readRows(list, places)] : [];
  });
}

function rowsOf(spec: readonly Json[]): JsonObject | undefined {
  return isObject(spec[1]) && isObject(spec[1].rows) ? spec[1].rows : undefined;
}

/** The first input of the list says what a row is. */
function readRows(list: JsonObject, places: readonly string[]): WidgetSchema {
  const fields = Object.entries(isObject(list.fields) ? list.fields : {});
  const specs = fields.flatMap(([name, spec]) => (isList(spec) ? [[name, spec] as const] : []));
  const cells = specs
    .map(([name, spec]) => readInput(name, spec, isObject(spec[1]) && spec[1].optional === true))
    .filter(isWidget);
  const before = isList(list.before) ? list.before : [];
  const after = isList(list.after) ? list.after : [];
  const name = asText(list.name);
  return {
    name,
    label: name,
    kind: "rows",
    type: "*",
    default: [...before, ...after],
    optional: true,
    multiline: false,
    dynamicPrompts: false,
    control: false,
    upload: false,
    options: [],
    advanced: false,
    rows: { places, cells, add: asText(list.add, "Add"), before, after },
  };
}

function readInput(name: string, spec: readonly Json[], optional: boolean): SocketSchema | WidgetSchema {
  const opts = isObject(spec[1]) ? spec[1] : {};
  const head = spec[0];
  const type = isList(head) ? "COMBO" : asText(head, "*");
  const kind = KINDS[type];
  const tooltip = asText(opts.tooltip) || undefined;
  const label = asText(opts.display_name) || name;
  const when = readWhen(opts.when);
  if (!kind || opts.forceInput === true) {
    const each = readEach(name, opts.each);
    return {
      name,
      label,
      type,
      optional: optional || (each !== undefined && each.at >= each.min),
      tooltip,
      each,
      when,
    };
  }
  const options = isList(head) ? head : isList(opts.options) ? opts.options : [];
  return {
    name,
    label,
    kind,
    type,
    optional,
    tooltip,
    options,
    default: opts.default ?? blank(kind, options),
    ...range(opts),
    multiline: opts.multiline === true,
    dynamicPrompts: opts.dynamicPrompts === true,
    control: kind === "int" && (opts.control_after_generate ? true : isSeedName(name, opts)),
    upload: kind === "choice" && opts.image_upload === true,
    folder: asText(opts.image_folder) || undefined,
    display: asText(opts.display) || undefined,
    on: asText(opts.label_on) || undefined,
    off: asText(opts.label_off) || undefined,
    placeholder: asText(opts.placeholder) || undefined,
    advanced: opts.advanced === true,
    when,
  };
}

function readWhen(when: Json | undefined): When | undefined {
  const [choice, values] = isObject(when) ? (Object.entries(when)[0] ?? []) : [];
  return choice !== undefined && isList(values) ? { choice, values: values.map((one) => asText(one)) } : undefined;
}

function readEach(name: string, each: Json | undefined): SocketSchema["each"] {
  if (!isObject(each)) return undefined;
  const at = Number(name.slice(name.lastIndexOf(".") + 1));
  return Number.isInteger(at) ? { name: asText(each.name), at, min: asNumber(each.min, 1) } : undefined;
}

function isSeedName(name: string, opts: JsonObject): boolean {
  return !("control_after_generate" in opts) && (name === "seed" || name === "noise_seed");
}

function range(opts: JsonObject): Pick<WidgetSchema, "min" | "max" | "step" | "round"> {
  const pick = (key: string) => (typeof opts[key] === "number" ? (opts[key] as number) : undefined);
  return { min: pick("min"), max: pick("max"), step: pick("step"), round: pick("round") };
}

function blank(kind: WidgetKind, options: readonly Json[]): Json {
  if (kind === "choice") return options[0] ?? "";
  if (kind === "text") return "";
  return kind === "toggle" ? false : 0;
}

function readOutputs(entry: JsonObject): OutputSchema[] {
  const types = isList(entry.output) ? entry.output : [];
  const names = isList(entry.output_name) ? entry.output_name : [];
  const lists = isList(entry.output_is_list) ? entry.output_is_list : [];
  const tips = isList(entry.output_tooltips) ? entry.output_tooltips : [];
  return types.map((type, i) => ({
    name: asText(names[i]) || (isList(type) ? "COMBO" : asText(type)),
    type: isList(type) ? "COMBO" : asText(type, "*"),
    list: lists[i] === true,
    tooltip: asText(tips[i]) || undefined,
  }));
}

/** The value nearest to `value` that the widget allows, or the value itself where it is no number. */
export function allowed(widget: WidgetSchema, value: Integer): Integer {
  if (widget.kind === "int") return clampInteger(value, widget.min, widget.max);
  const low = widget.min ?? Number.NEGATIVE_INFINITY;
  const high = widget.max ?? Number.POSITIVE_INFINITY;
  const clamped = Math.min(high, Math.max(low, Number(value)));
  const places = decimals(widget);
  return asNumber(Number(clamped.toFixed(places)));
}

export function decimals(widget: WidgetSchema): number {
  if (widget.kind === "int") return 0;
  const grain = widget.round || widget.step || 0.01;
  return Math.min(8, Math.max(0, Math.ceil(-Math.log10(grain) - 1e-9)));
}
