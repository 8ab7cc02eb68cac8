import { isList, isObject, type Json, type JsonObject } from "./json";
import { currentClass } from "./legacy";
import type { Catalogue, WidgetSchema } from "./schema";
import { isVirtual } from "./virtual";
import { controlIn, isControl } from "./widgetList";

/*
 * What the values of a node are called, where neither its class here nor its file says it: nodes of packs that this
 * server has not, and of other versions of those that it has. The server knows many of them, and is asked.
 */

export interface ToldField {
  readonly name: string;
  readonly type: string;
}

/** The fields of nodes, by the nodes as the file has them. */
export type Told = ReadonlyMap<JsonObject, readonly ToldField[]>;

/** The nodes of a file whose values have no names yet. */
export function nameless(file: JsonObject, catalogue: Catalogue): readonly JsonObject[] {
  const definitions =
    isObject(file.definitions) && isList(file.definitions.subgraphs) ? file.definitions.subgraphs.filter(isObject) : [];
  const own = new Set(definitions.map((one) => one.id));
  return [file, ...definitions].flatMap(({ nodes }) =>
    (isList(nodes) ? nodes.filter(isObject) : []).filter((node) => {
      const type = typeof node.type === "string" ? currentClass(node.type) : "";
      if (!type || own.has(type) || type.startsWith("workflow") || isVirtual(type)) return false;
      return isList(node.widgets_values) && isNameless(node, node.widgets_values, catalogue.get(type)?.widgets);
    }),
  );
}

function isNameless(node: JsonObject, values: readonly Json[], widgets: readonly WidgetSchema[] | undefined): boolean {
  const listed = (isList(node.inputs) ? node.inputs : []).filter((slot) => isObject(slot) && isObject(slot.widget));
  const counted = values.filter((value) => !isControl(value)).length;
  if (!widgets) return counted > listed.length;
  if (!widgets.length || widgets.some((one) => one.rows || one.when) || listed.length >= counted) return false;
  return !suit(values, widgets);
}

/** Whether there is a value for each widget that it could hold, and none that is nobody's. */
function suit(values: readonly Json[], widgets: readonly WidgetSchema[]): boolean {
  let at = 0;
  for (const [i, widget] of widgets.entries()) {
    if (!mayBe(widget, values[at++] ?? null)) return false;
    if (controlIn(values, at, widget, values.length - at > widgets.length - i - 1) !== undefined) at += 1;
  }
  return at === values.length || (at + 1 === values.length && widgets.some((one) => one.upload));
}

function mayBe({ kind }: WidgetSchema, value: Json): boolean {
  if (value === null) return true;
  if (kind === "int" || kind === "float") return typeof value === "number" || typeof value === "bigint";
  return kind === "toggle" ? typeof value === "boolean" : kind !== "text" || typeof value === "string";
}

/** What was told of nodes, with the fields that the class has today and that were not among them. */
export function toldOf(
  nodes: readonly JsonObject[],
  fields: readonly (readonly ToldField[] | undefined)[],
  catalogue: Catalogue,
): Told {
  return new Map(
    nodes.flatMap((node, i) => {
      const own = fields[i];
      const widgets = catalogue.get(currentClass(String(node.type)))?.widgets ?? [];
      // As the class has them there is nothing to add: the file may go without.
      if (!own?.length || (own.length === widgets.length && own.every(({ name }, at) => widgets[at]?.name === name)))
        return [];
      const missing = widgets.filter((one) => !own.some(({ name }) => name === one.name));
      return [[node, [...own, ...missing.map(({ name, type }) => ({ name, type }))]] as const];
    }),
  );
}
