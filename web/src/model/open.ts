import { isApiFile, openApiFile } from "./apiFile";
import type { Doc } from "./document";
import { BadFile, isEditorFile, openEditorFile } from "./editorFile";
import { fromInfotext, readInfotext } from "./infotext";
import { isObject, readJson } from "./json";
import { readMetadata } from "./picture";
import type { Catalogue } from "./schema";

export interface OpenWith {
  readonly catalogue: Catalogue;
  readonly newId: () => string;
}

/** The document that a text holds: the editor's format, the API's, or A1111's. Raises BadFile for anything else. */
export function openText(text: string, { catalogue, newId }: OpenWith): Doc {
  const info = readInfotext(text);
  if (info) return fromInfotext(info, catalogue, newId);
  const value = parse(text);
  if (isEditorFile(value)) return openEditorFile(value, catalogue, newId);
  const prompt = isObject(value) && isApiFile(value.prompt) ? value.prompt : value;
  if (isApiFile(prompt)) return openApiFile(prompt, catalogue, newId);
  throw new BadFile("This JSON is no workflow: it has neither a list of nodes nor nodes with a class_type.");
}

function parse(text: string): unknown {
  try {
    // Some programs write NaN and Infinity, which JSON does not have.
    return readJson(text.replace(/(?<=[:[,]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g, "null"));
  } catch {
    throw new BadFile("This file is not JSON, so it holds no workflow.");
  }
}

/** The document in a picture, or nothing where it carries none. The editor's format is preferred. */
export async function openPicture(bytes: Uint8Array, using: OpenWith): Promise<Doc | undefined> {
  const metadata = await readMetadata(bytes);
  for (const key of ["workflow", "prompt", "parameters"]) {
    const text = metadata.get(key);
    const doc = text && attempt(() => openText(text, using));
    if (doc) return doc;
  }
  return undefined;
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof BadFile) return undefined;
    throw error;
  }
}
