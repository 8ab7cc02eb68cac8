import { openApiFile } from "./apiFile";
import type { Doc } from "./document";
import { BadFile, openEditorFile } from "./editorFile";
import { opened } from "./envelope";
import { isInfotext } from "./infotext";
import { type JsonObject, readJson } from "./json";
import { isPicture, readMetadata } from "./picture";
import type { Catalogue } from "./schema";
import { nameless, type ToldField, toldOf } from "./told";

export interface OpenWith {
  readonly catalogue: Catalogue;
  readonly newId: () => string;
  /** The editor's file of what another program wrote. */
  readonly convert: (text: string) => Promise<JsonObject>;
  /** What the server knows of fields that neither a file nor a class here names. */
  readonly fieldsOf: (nodes: readonly JsonObject[]) => Promise<readonly (readonly ToldField[] | undefined)[]>;
}

/** The document that a text holds: the editor's format, or the API's. Raises BadFile for anything else. */
export async function openText(text: string, using: Omit<OpenWith, "convert">): Promise<Doc> {
  const { catalogue, newId } = using;
  const { document, prompt } = opened(parse(text));
  if (document) {
    const nodes = nameless(document, catalogue);
    // A file that cannot be told of opens all the same: its values stay as they are.
    const fields = nodes.length ? await using.fieldsOf(nodes).catch(() => []) : [];
    return openEditorFile(document, catalogue, newId, toldOf(nodes, fields, catalogue));
  }
  if (prompt) return openApiFile(prompt, catalogue, newId);
  throw new BadFile("This JSON is no workflow: it has neither a list of nodes nor nodes with a class_type.");
}

function parse(text: string): unknown {
  try {
    return readJson(text);
  } catch {
    return parseLoose(text);
  }
}

/** Some programs write NaN and Infinity, which JSON does not have. */
function parseLoose(text: string): unknown {
  try {
    return readJson(text.replace(/(?<=[:[,]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g, "null"));
  } catch {
    const cut = /^\s*[{[]/.test(text) && !/[}\]]\s*$/.test(text);
    throw new BadFile(
      cut
        ? "This JSON ends in the middle: the file was cut off. Fetch it again."
        : "This file is not JSON, so it holds no workflow.",
    );
  }
}

/** What a file held: a workflow, or a picture with or without one. */
export interface Dropped {
  readonly picture: boolean;
  readonly doc?: Doc;
  /** Why the workflow that a picture carries was not opened. */
  readonly fault?: string;
}

const MOST_TEXT_BYTES = 128 * 2 ** 20;

/** What is in the bytes, by what they are and not by what the file is called. Raises BadFile where it is nothing. */
export async function openBytes(bytes: Uint8Array, using: OpenWith): Promise<Dropped> {
  if (isPicture(bytes)) return { picture: true, ...(await openPicture(bytes, using)) };
  if (!bytes.length) throw new BadFile("This file is empty.");
  if (bytes.length > MOST_TEXT_BYTES) {
    const size = Math.round(bytes.length / 2 ** 20);
    throw new BadFile(`This file has ${size} MB; a workflow has a few, and no more than ${MOST_TEXT_BYTES / 2 ** 20}.`);
  }
  if (bytes.subarray(0, 4096).includes(0)) throw new BadFile("This file is neither a workflow nor a picture.");
  return { picture: false, doc: await openAnyText(new TextDecoder().decode(bytes), using) };
}

async function openAnyText(text: string, using: OpenWith): Promise<Doc> {
  if (!isInfotext(text)) return openText(text, using);
  return openEditorFile(await using.convert(text), using.catalogue, using.newId);
}

/** The document in a picture, if it carries one. The editor's format is preferred. */
export async function openPicture(bytes: Uint8Array, using: OpenWith): Promise<Omit<Dropped, "picture">> {
  const metadata = await readMetadata(bytes);
  let fault: string | undefined;
  for (const key of ["workflow", "prompt", "parameters"]) {
    const text = metadata.get(key);
    // "parameters" is a common key: what is no text of A1111's is nobody's fault.
    if (text === undefined || (key === "parameters" && !isInfotext(text))) continue;
    try {
      return { doc: await openAnyText(text, using) };
    } catch (error) {
      fault ??= error instanceof Error ? error.message : String(error);
    }
  }
  return fault === undefined ? {} : { fault };
}
