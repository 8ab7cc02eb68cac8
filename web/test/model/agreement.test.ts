import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Doc, emptyDoc, type GraphNode, ROOT } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { addNode, connect, setValue, surroundings } from "../../src/model/edits";
import type { JsonObject } from "../../src/model/json";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { readCatalogue } from "../../src/model/schema";
import { shapeOf } from "../../src/model/shape";
import { nameless, type ToldField, toldOf } from "../../src/model/told";
import { structureFaults } from "../structure";
import { options } from "../support";

/* The server reads the same files: tests/web/test_agreement.py holds it to the same prompts. */

const folder = new URL("../../../tests/web/agreement/", import.meta.url);
const read = (name: string) => JSON.parse(readFileSync(new URL(name, folder), "utf8"));
const catalogue = readCatalogue(read("object_info.json"));
interface Row {
  readonly name: string;
  readonly file: JsonObject;
  readonly prompt: Readonly<Record<string, JsonObject>>;
  /** What the server tells of fields when it is asked, by the nodes' ids. */
  readonly fields?: Readonly<Record<string, readonly ToldField[]>>;
}
const files: readonly Row[] = read("files.json");

function open(file: unknown) {
  let made = 0;
  const nodes = nameless(file as JsonObject, catalogue);
  const known = files.find((one) => one.file === file)?.fields ?? {};
  const told = toldOf(
    nodes,
    nodes.map(({ id }) => known[String(id)]),
    catalogue,
  );
  return openEditorFile(file as JsonObject, catalogue, () => `made-${++made}`, told);
}
const sent = (file: unknown) => {
  const prompt = toPrompt(open(file), { ...options, catalogue });
  return Object.fromEntries(Object.entries(prompt).map(([id, { class_type, inputs }]) => [id, { class_type, inputs }]));
};
/** What a prompt asks for: a value that is the widget's default may be said or left out. */
const asked = (prompt: Readonly<Record<string, JsonObject>>) =>
  Object.fromEntries(
    Object.entries(prompt).map(([id, { class_type, inputs }]) => {
      const widgets = catalogue.get(String(class_type))?.widgets ?? [];
      const defaults = Object.fromEntries(widgets.filter((one) => !one.when).map((one) => [one.name, one.default]));
      return [id, { class_type, inputs: { ...defaults, ...(inputs as object) } }];
    }),
  );

describe("the editor and the server make the same of a file with", () => {
  it.each(files.map((one) => [one.name, one] as const))("%s", (_, { file, prompt }) => {
    const ours = sent(file);
    expect(asked(ours)).toEqual(asked(prompt));
    const saved = JSON.parse(JSON.stringify(saveEditorFile(open(file), catalogue)));
    expect(sent(saved)).toEqual(ours);
  });

  it("fields that it asks the server of, which it asks of nothing else", () => {
    const asked = files.map(({ name, file }) => [name, nameless(file, catalogue).map(({ id }) => String(id))]);
    expect(asked.filter(([, ids]) => ids?.length)).toEqual(
      files.flatMap(({ name, fields }) => (fields ? [[name, Object.keys(fields)]] : [])),
    );
  });

  it("what the editor saves of them", async () => {
    const saved = files.map(({ name, file }) => ({ name, file: saveEditorFile(open(file), catalogue) }));
    for (const { name, file } of saved) {
      expect([name, structureFaults(file)]).toEqual([name, []]);
      expect(saveEditorFile(open(JSON.parse(JSON.stringify(file))), catalogue)).toEqual(file);
    }
    await expect(`${JSON.stringify(saved, null, 1)}\n`).toMatchFileSnapshot(new URL("saved.json", folder).pathname);
  });
});

describe("a node whose choice brings fields", () => {
  const [empty, id] = addNode(emptyDoc("doc"), ROOT, "ResizeImageMaskNode", { x: 0, y: 0 });
  const names = (doc: Doc) => {
    const around = surroundings(doc, ROOT, catalogue);
    return shapeOf(around.graph.nodes.get(id) as GraphNode, around).inputs.map((one) => one.name);
  };

  it("has those of what is chosen, right after the choice, and those that are linked", () => {
    const brought = ["resize_type.width", "resize_type.height", "resize_type.crop"];
    expect(names(empty)).toEqual(["input", "resize_type", ...brought, "scale_method"]);
    const matching = setValue(empty, ROOT, id, "resize_type", "match size");
    expect(names(matching)).toEqual(["input", "resize_type.match", "resize_type", "resize_type.crop", "scale_method"]);
    const [more, source] = addNode(empty, ROOT, "PrimitiveNode", { x: 0, y: 0 });
    const linked = connect(more, ROOT, { from: source, slot: 0, to: id, input: "resize_type.width", type: "INT" });
    const scaled = setValue(linked, ROOT, id, "resize_type", "scale by multiplier");
    expect(names(scaled)).toContain("resize_type.width");
    expect(names(scaled)).not.toContain("resize_type.height");
  });
});
