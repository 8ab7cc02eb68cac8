import { type JsonObject, readJson, writeJson } from "../model/json";
import type { ToldField } from "../model/told";
import { call } from "./rest";

/** For each node the fields that its values are of, as far as the server knows them. */
export async function fieldsOf(nodes: readonly JsonObject[]): Promise<readonly (readonly ToldField[] | undefined)[]> {
  const asked = nodes.map(({ type, inputs, widgets_values }, id) => ({ id, type, inputs, widgets_values }));
  const headers = { "Content-Type": "application/json" };
  const reply = await call("/fields", { method: "POST", headers, body: writeJson({ nodes: asked }) });
  const told = readJson(await reply.text()) as { readonly fields: readonly (readonly ToldField[] | null)[] };
  return told.fields.map((one) => one ?? undefined);
}
