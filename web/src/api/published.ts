import { call, getJson, type SavedFile } from "./rest";

/* Subgraphs that are kept for other workflows: the person's own in their files, and those that packs bring. */

export interface Published {
  readonly name: string;
  /** Where it is among the person's files; nothing where a pack brings it. */
  readonly path?: string;
  readonly id?: string;
}

const FOLDER = "subgraphs/";
const userFile = (path: string) => `/userdata/${encodeURIComponent(path)}`;

export async function listPublished(): Promise<readonly Published[]> {
  const [files, packs] = await Promise.all([getJson("/v2/userdata?path="), getJson("/global_subgraphs")]);
  const own = (files as readonly (SavedFile & { readonly type: string })[])
    .filter((one) => one.type === "file" && one.path.startsWith(FOLDER) && one.path.endsWith(".json"))
    .map(({ path }) => ({ name: path.slice(FOLDER.length, -".json".length), path }));
  const brought = Object.entries(packs as Readonly<Record<string, { readonly name: string }>>);
  return [...own, ...brought.map(([id, { name }]) => ({ name, id }))].sort((a, b) => a.name.localeCompare(b.name));
}

export async function readPublished({ path, id }: Published): Promise<string> {
  if (path !== undefined) return (await call(userFile(path))).text();
  return ((await getJson(`/global_subgraphs/${encodeURIComponent(id ?? "")}`)) as { readonly data: string }).data;
}

/** Raises ServerError 409 where there is one of that name that is not to be replaced. */
export function publish(name: string, text: string, replace: boolean): Promise<Response> {
  return call(`${userFile(`${FOLDER}${name}.json`)}?overwrite=${replace}`, { method: "POST", body: text });
}

export const unpublish = ({ path }: Published) => call(userFile(path ?? ""), { method: "DELETE" });
