import { type Doc, graphsOf } from "./document";
import { openEditorFile } from "./editorFile";
import { saveEditorFile } from "./saveFile";
import type { Catalogue } from "./schema";

/**
 * The document as a server with other nodes reads it. What one server has no class for is kept as the file has it, and
 * must be read by name once there is one; and the other way round where a class is gone.
 */
export function reread(doc: Doc, before: Catalogue, after: Catalogue): Doc {
  const changed = graphsOf(doc).some(([, graph]) =>
    [...graph.nodes.values()].some(({ type }) => before.has(type) !== after.has(type)),
  );
  return changed ? openEditorFile(saveEditorFile(doc, before), after, () => doc.id) : doc;
}
