import { isList, isObject, type Json } from "./json";
import type { NodeSchema } from "./schema";

/* Names that changed since some files were written: node classes, inputs, values. */

const CLASSES = new Map([["T2IAdapterLoader", "ControlNetLoader"]]);
const INPUTS = new Map([["ControlNetLoader t2i_adapter_name", "control_net_name"]]);

/** The name by which a class goes today; old files have some with a blank at the end. */
export function currentClass(type: string): string {
  const bare = type.trim();
  return CLASSES.get(bare) ?? bare;
}

/** The name by which an input of a class goes today. Files number a row that grows behind a word: `images.image0`. */
export function currentInput(type: string, name: string, schema: NodeSchema | undefined): string {
  const [, row, place] = /^(.+)\.[a-z_]+(\d+)$/i.exec(name) ?? [];
  const grown = `${row}.${place}`;
  if (place !== undefined && schema?.sockets.some((one) => one.each && one.name === grown)) return grown;
  return INPUTS.get(`${type} ${name}`) ?? name;
}

/** What ComfyUI calls a place in a row that grows: the row's word for one, and the number. */
export function fileInput(name: string, schema: NodeSchema | undefined): string {
  const each = schema?.sockets.find((one) => one.name === name)?.each;
  return each ? `${each.name}.${each.name.replace(/s$/, "")}${each.at}` : name;
}

/** The first samplers were called `sample_euler`. */
export function currentValue(name: string, value: Json): Json {
  return name === "sampler_name" && typeof value === "string" ? value.replace(/^sample_/, "") : value;
}

/** Nodes whose files hold rows without names: what each row has, and how prompts number them. */
const ROWS = new Map([["Power Lora Loader (rgthree)", { sign: "lora", stem: "lora_" }]]);

/** The rows of a node by the names that prompts give them. */
export function rowsOf(type: string, list: Json | undefined): readonly (readonly [string, Json])[] {
  const rows = ROWS.get(type);
  if (!rows || !isList(list)) return [];
  return list
    .filter((one) => isObject(one) && rows.sign in one)
    .map((row, i) => [`${rows.stem}${i + 1}`, row] as const);
}
