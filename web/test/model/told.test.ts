import { describe, expect, it } from "vitest";
import type { GraphNode } from "../../src/model/document";
import { missingTypes } from "../../src/model/editorFile";
import type { Json, JsonObject } from "../../src/model/json";
import { openText } from "../../src/model/open";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { nameless, type ToldField } from "../../src/model/told";
import { catalogue, opening, options } from "../support";

const node = (id: number, type: string, values: Json | undefined, more: object = {}) => ({
  id,
  type,
  pos: [0, 0],
  ...(values === undefined ? {} : { widgets_values: values }),
  ...more,
});
const file = (...nodes: object[]) => ({ nodes, links: [] }) as unknown as JsonObject;
const asked = (...nodes: object[]) => nameless(file(...nodes), catalogue).map((one) => one.id);
const field = (name: string, type = "*"): ToldField => ({ name, type });
const widget = (name: string) => ({ name, type: "COMBO", widget: { name }, link: null });

async function open(given: JsonObject, told: readonly (readonly ToldField[] | undefined)[] = []) {
  return openText(JSON.stringify(given), { ...opening, fieldsOf: async () => told });
}
const sent = async (given: JsonObject, told?: readonly (readonly ToldField[] | undefined)[]) => {
  const doc = await open(given, told);
  const [first, again] = [doc, await open(saveEditorFile(doc, catalogue))].map(
    (one) => toPrompt(one, options)["1"]?.inputs,
  );
  expect(again).toEqual(first);
  return first;
};

describe("a server is asked of nodes", () => {
  it("of no class here that hold more values than they list fields", () => {
    expect(asked(node(1, "Nowhere", ["a"]), node(2, "Nowhere", ["a"], { inputs: [widget("mode")] }))).toEqual([1]);
    expect(asked(node(1, "Nowhere", [7, "fixed"], { inputs: [widget("seed")] }))).toEqual([]);
    expect(asked(node(1, "Nowhere", undefined), node(2, "Nowhere", []), node(3, "Nowhere", { mode: "a" }))).toEqual([]);
  });

  it("of a class here whose values do not suit its fields", () => {
    const values = [1, "fixed", 20, 8, "euler", "normal", 1];
    expect(asked(node(1, "KSampler", values), node(2, "KSampler", ["words", ...values.slice(1)]))).toEqual([2]);
    expect(asked(node(1, "KSampler", values.slice(0, 4)), node(2, "LoadImage", ["a.png", "image"]))).toEqual([1]);
  });

  it("in subgraphs too, but not of subgraphs, notes and what else lives in the editor", () => {
    const inner = { id: "sub", name: "S", nodes: [node(5, "Nowhere", ["a"])], links: [] };
    const given = file(node(1, "sub", ["a"]), node(2, "Note", ["a", "b"]), node(3, "PrimitiveNode", [1, "fixed"]));
    expect(nameless({ ...given, definitions: { subgraphs: [inner] } } as JsonObject, catalogue)).toEqual([
      inner.nodes[0],
    ]);
  });
});

describe("what is told", () => {
  it("names the values of a node of no class here, which stays as the file has it", async () => {
    const given = file(node(1, "Nowhere", [7, "fixed", "soft"]));
    const told = [[field("seed", "INT"), field("mode", "COMBO")]];
    expect(await sent(given, told)).toEqual({ seed: 7, mode: "soft" });
    const doc = await open(given, told);
    expect([...missingTypes(doc, catalogue).keys()]).toEqual(["Nowhere"]);
    const [saved] = saveEditorFile(doc, catalogue).nodes as unknown as readonly JsonObject[];
    expect(saved?.widgets_values).toEqual([7, "fixed", "soft"]);
  });

  it("brings fields that the file lists into their order, and their links with them", async () => {
    const inputs = [widget("mode"), { name: "image", type: "IMAGE", link: 3 }];
    const given = {
      ...file(node(1, "Nowhere", [7, "soft"], { inputs }), node(2, "LoadImage", ["a.png", "image"])),
      links: [[3, 2, 0, 1, 1, "IMAGE"]],
    } as unknown as JsonObject;
    const told = [[field("size", "INT"), field("mode", "COMBO")]];
    expect(await sent(given, told)).toEqual({ size: 7, mode: "soft", image: ["2", 0] });
  });

  it("reads the fields of another version, and keeps what the class has today", async () => {
    const version = ["seed", "steps", "cfg", "start_mode"].map((name) => field(name));
    const given = file(node(1, "KSampler", [9, "fixed", 11, 5, "soft"]));
    expect(await sent(given, [version])).toMatchObject({ seed: 9, steps: 11, cfg: 5, start_mode: "soft", denoise: 1 });
  });

  it("changes nothing where there is nothing to tell, or the server does not answer", async () => {
    const given = file(node(1, "Nowhere", ["a"]));
    expect(await sent(given, [undefined])).toEqual({});
    const silent = { ...opening, fieldsOf: () => Promise.reject(new Error("away")) };
    const doc = await openText(JSON.stringify(given), silent);
    expect((doc.root.nodes.get("1") as GraphNode).loose).toEqual(["a"]);
  });
});
