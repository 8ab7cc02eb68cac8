import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openApiFile } from "../../src/model/apiFile";
import { type Doc, emptyDoc, type GraphNode, ROOT } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { addNode, setValue, surroundings } from "../../src/model/edits";
import type { Json, JsonObject } from "../../src/model/json";
import { layoutNode, WIDGET_ROW } from "../../src/model/layout";
import { toPrompt } from "../../src/model/prompt";
import { movedRow, newRow, rowsIn, withRows } from "../../src/model/rows";
import { saveEditorFile } from "../../src/model/saveFile";
import { type RowsSchema, readCatalogue } from "../../src/model/schema";
import { shapeOf } from "../../src/model/shape";
import { warningsOf } from "../../src/model/warnings";
import { newId, options } from "../support";

const LORAS = "Power Lora Loader (rgthree)";
const info = JSON.parse(
  readFileSync(new URL("../../../tests/web/agreement/object_info.json", import.meta.url), "utf8"),
);
/** A class of anybody's: rows beside other widgets, and nothing around them in files. */
const Palette = {
  input: {
    required: {
      size: ["INT", { default: 8 }],
      colour_1: [
        "*",
        { rows: { name: "colours", add: "Add colour", fields: { hex: ["STRING", { default: "#fff" }] } } },
      ],
      colour_2: ["*", { rows: { name: "colours" } }],
      title: ["STRING", { default: "" }],
    },
  },
  output: ["IMAGE"],
};
const catalogue = readCatalogue({ ...info, Palette });
const schemaOf = (type: string) => catalogue.get(type)?.widgets.find((one) => one.rows)?.rows as RowsSchema;
const loras = schemaOf(LORAS);

const row = (lora: string, more: JsonObject = {}) => ({ on: true, lora, strength: 1, strengthTwo: null, ...more });
const framed = (...rows: JsonObject[]) => [{}, { type: "PowerLoraLoaderHeaderWidget" }, ...rows, {}, ""];
const fileOf = (type: string, values: Json | undefined) => ({
  nodes: [{ id: 1, type, pos: [0, 0], ...(values === undefined ? {} : { widgets_values: values }) }],
  links: [],
});
const open = (file: unknown) => openEditorFile(file as JsonObject, catalogue, newId);
const nodeOf = (doc: Doc) => doc.root.nodes.get("1") as GraphNode;
const written = (doc: Doc) => (saveEditorFile(doc, catalogue).nodes as unknown as JsonObject[])[0] as JsonObject;
const sent = (doc: Doc) => toPrompt(doc, { ...options, catalogue })["1"]?.inputs;
const shapeIn = (doc: Doc) => shapeOf(nodeOf(doc), surroundings(doc, ROOT, catalogue));

describe("a list of rows", () => {
  it("is one widget, whose inputs are no sockets", () => {
    const doc = open(fileOf(LORAS, framed(row("ink"))));
    expect(shapeIn(doc).inputs.map((one) => one.name)).toEqual(["model", "clip"]);
    expect(shapeIn(doc).widgets.map((one) => [one.name, one.kind])).toEqual([["loras", "rows"]]);
    expect((written(doc).inputs as unknown as JsonObject[]).map((one) => one.name)).toEqual(["model", "clip"]);
  });

  it.each([
    ["rows", framed(row("ink", { strength: 0.5 }), row("wash", { on: false, strengthTwo: 0.25 }))],
    ["no rows", framed()],
    ["another frame", [null, "", row("ink"), { type: "other" }, 5]],
    ["rows with something between", [...framed(row("ink")), row("wash")]],
  ])("is written as it was read: %s", (_, values) => {
    expect(JSON.stringify(written(open(fileOf(LORAS, values))).widgets_values)).toBe(JSON.stringify(values));
  });

  it("is sent by the names of its inputs, switched off or not", () => {
    const rows = [row("ink"), row("wash", { on: false })];
    expect(sent(open(fileOf(LORAS, framed(...rows))))).toEqual({ lora_1: rows[0], lora_2: rows[1] });
  });

  it("begins as files of its pack do", () => {
    const [doc] = addNode(emptyDoc("doc"), ROOT, LORAS, { x: 0, y: 0 });
    expect(written(doc).widgets_values).toEqual(framed());
    expect(sent(doc)).toEqual({});
  });

  it("is changed in the midst of what stands around it", () => {
    const change = (values: Json, next: JsonObject[]) => {
      const doc = open(fileOf(LORAS, values));
      return written(setValue(doc, ROOT, "1", "loras", withRows(loras, nodeOf(doc).values.loras, next))).widgets_values;
    };
    expect(change(framed(), [row("ink")])).toEqual(framed(row("ink")));
    expect(change(framed(row("ink"), row("wash")), [row("wash")])).toEqual(framed(row("wash")));
    expect(change(framed(row("ink")), [])).toEqual(framed());
    expect(change([null, row("ink"), 7], [row("ink"), row("wash")])).toEqual([null, row("ink"), row("wash"), 7]);
  });

  it("gives a new row what each field begins with, and none where it may be empty", () => {
    expect(newRow(loras, { lora: "ink" })).toEqual({ on: true, lora: "ink", strength: 1, strengthTwo: null });
  });

  it("moves a row to a place that there is", () => {
    const rows = [row("a"), row("b"), row("c")];
    expect(movedRow(rows, 0, 2).map((one) => one.lora)).toEqual(["b", "c", "a"]);
    expect(movedRow(rows, 0, -1)).toBe(rows);
    expect(movedRow(rows, 2, 3)).toBe(rows);
  });

  it("makes the node higher by a widget for each row, and one to add to them", () => {
    const height = (doc: Doc) => layoutNode({ node: nodeOf(doc), shape: shapeIn(doc), linked: new Set() }).height;
    const empty = height(open(fileOf(LORAS, framed())));
    expect(height(open(fileOf(LORAS, framed(row("a"), row("b"))))) - empty).toBe(2 * WIDGET_ROW);
  });

  it("warns of what is not on the server where the row is on, and of more rows than there are inputs", () => {
    const told = (values: Json) => {
      const doc = open(fileOf(LORAS, values));
      return warningsOf(nodeOf(doc), shapeIn(doc), new Set(), catalogue);
    };
    expect(told(framed(row("gone"), row("lost", { on: false })))).toEqual([
      "gone is not on this server. Choose another lora.",
    ]);
    expect(told(framed(...Array.from({ length: 13 }, () => row("None"))))).toEqual([
      "Only the first 12 of its 13 rows are used.",
    ]);
  });

  it("drops the places that older files of this editor list as sockets, but for those that are linked", () => {
    const inputs = ["model", "lora_1", "lora_2"].map((name) => ({
      name,
      type: "*",
      link: name === "lora_2" ? 1 : null,
    }));
    const file = {
      nodes: [
        { id: 1, type: LORAS, pos: [0, 0], inputs, widgets_values: framed(row("ink")) },
        { id: 2, type: "Other", pos: [0, 0], outputs: [{ name: "any", type: "*", links: [1] }] },
      ],
      links: [[1, 2, 0, 1, 2, "*"]],
    };
    expect(shapeIn(open(file)).inputs.map((one) => one.name)).toEqual(["model", "clip", "lora_2"]);
    expect(sent(open(file))).toEqual({ lora_1: row("ink"), lora_2: ["2", 0] });
  });

  it("is gathered from a prompt, which names its rows and has headings", () => {
    const inputs = {
      "➕ Add Lora": "",
      PowerLoraLoaderHeaderWidget: { type: "x" },
      lora_2: row("b"),
      lora_5: row("c"),
    };
    const doc = openApiFile({ 1: { class_type: LORAS, inputs } }, catalogue, newId);
    expect(written(doc).widgets_values).toEqual(framed(row("b"), row("c")));
    expect(shapeIn(doc).inputs.map((one) => one.name)).toEqual(["model", "clip"]);
  });
});

describe("rows beside other widgets", () => {
  it("are read and written in their place", () => {
    const values = [5, { hex: "#000" }, { hex: "#f00" }, "Dusk"];
    const doc = open(fileOf("Palette", values));
    expect(nodeOf(doc).values).toEqual({ size: 5, colours: [{ hex: "#000" }, { hex: "#f00" }], title: "Dusk" });
    expect(written(doc).widgets_values).toEqual(values);
    expect(sent(doc)).toEqual({ size: 5, colour_1: { hex: "#000" }, colour_2: { hex: "#f00" }, title: "Dusk" });
  });

  it("may be none", () => {
    const doc = open(fileOf("Palette", [5, "Dusk"]));
    expect(rowsIn(schemaOf("Palette"), nodeOf(doc).values.colours)).toEqual([]);
    expect(written(doc).widgets_values).toEqual([5, "Dusk"]);
    expect(sent(doc)).toEqual({ size: 5, title: "Dusk" });
  });
});
