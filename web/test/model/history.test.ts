import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesBeside } from "../../src/model/bytes";
import { type Doc, emptyDoc, GRAPH_INPUT, GRAPH_OUTPUT, graphsOf, linksInto, ROOT } from "../../src/model/document";
import { openEditorFile } from "../../src/model/editorFile";
import { moveNodes, setValue } from "../../src/model/edits";
import {
  abandon,
  commit,
  gesture,
  type History,
  MOST_BYTES,
  redo,
  settle,
  startHistory,
  undo,
} from "../../src/model/history";
import { toPrompt } from "../../src/model/prompt";
import { saveEditorFile } from "../../src/model/saveFile";
import { GESTURES, MODULES, ofEverything, READERS } from "../gestures";
import { rounds } from "../rounds";
import { structureFaults } from "../structure";
import { catalogue, newId, options, textToImage } from "../support";

describe("undo", () => {
  it("makes one step of a gesture however many edits it has", () => {
    let history = startHistory(0);
    for (let i = 1; i <= 20; i++) history = gesture(history, "drag", i, "move");
    history = settle(history);
    expect(history.past).toEqual([{ doc: 0, label: "move" }]);
    expect(undo(history).present).toBe(0);
    expect(redo(undo(history)).present).toBe(20);
  });

  it("keeps gestures with different keys apart", () => {
    const history = settle(gesture(gesture(startHistory("a"), "one", "b", "1"), "two", "c", "2"));
    expect(history.past.map((step) => step.doc)).toEqual(["a", "b"]);
  });

  it("keeps nothing of a gesture that came back to where it began", () => {
    const history = settle(gesture(gesture(startHistory("a"), "one", "b", "1"), "one", "a", "1"));
    expect(history).toEqual(startHistory("a"));
  });

  it("goes back to the beginning of an abandoned gesture", () => {
    expect(abandon(gesture(startHistory("a"), "one", "b", "1"))).toEqual(startHistory("a"));
  });

  it("forgets what was undone once something else is done", () => {
    const history = commit(undo(commit(startHistory("a"), "b", "1")), "c", "2");
    expect(history.future).toEqual([]);
    expect(redo(history).present).toBe("c");
  });
});

describe("what undo may keep", () => {
  const weigh = (_: number, next: number) => (next === 3 ? MOST_BYTES - 150 : 100);
  it("is bounded by bytes, the oldest first, not by steps", () => {
    let history = startHistory<number>(0, () => 1);
    for (let i = 1; i <= 2500; i++) history = commit(history, i, "one");
    expect(history.past.length).toBe(2500);
    let heavy = startHistory<number>(0, weigh);
    for (let i = 1; i <= 4; i++) heavy = commit(heavy, i, "one");
    expect(heavy.past.map((step) => step.doc)).toEqual([2, 3]);
    expect(undo(undo(heavy)).present).toBe(2);
  });

  it("costs what changed, and a table where one is new", () => {
    const { doc, id } = textToImage();
    const moved = moveNodes(doc, ROOT, new Map([[id.save as string, { x: 1, y: 1 }]]));
    const written = setValue(doc, ROOT, id.positive as string, "text", "ink ".repeat(10_000));
    expect(bytesBeside(doc, doc)).toBe(0);
    expect(bytesBeside(moved, doc)).toBeLessThan(2_000);
    expect(bytesBeside(written, doc)).toBeGreaterThan(80_000);
    expect(bytesBeside(written, doc)).toBeLessThan(90_000);
  });
});

/** One random edit of one of the document's graphs, chosen by numbers, on whatever the document holds by then. */
type Move = readonly [kind: number, where: number, a: number, b: number, c: number];

const names = Object.keys(GESTURES);

function edit(doc: Doc, [kind, where, a, b, c]: Move): Doc {
  const graphs = graphsOf(doc).map(([at]) => at);
  // Most of what people do is done in the workflow itself.
  const at = graphs[where % 3 ? 0 : where % graphs.length] ?? ROOT;
  return GESTURES[names[kind % names.length] as string]?.({ doc, at, a, b, c }) ?? doc;
}

/** Modules that make whole documents, or put a graph back into one. */
const WHOLE = new Set(["apiFile", "document"]);

const move = fc.tuple(fc.nat(names.length - 1), fc.nat(99), fc.nat(10_000), fc.nat(10_000), fc.nat(10_000));

const bytes = (doc: Doc) => JSON.stringify(saveEditorFile(doc, catalogue));

describe("fifty random gestures", () => {
  it("are undone to the exact document and redone to the exact document", () => {
    fc.assert(
      fc.property(fc.array(move, { minLength: 50, maxLength: 50 }), fc.nat(2), (moves, from) => {
        const start = [() => emptyDoc("doc"), () => textToImage().doc, ofEverything][from]?.() ?? ofEverything();
        const before = bytes(start);
        let history: History<Doc> = startHistory(start);
        moves.forEach((one, i) => {
          const next = edit(history.present, one);
          history = i % 3 ? commit(history, next, "edit") : gesture(history, `g${Math.floor(i / 6)}`, next, "edit");
        });
        history = settle(history);
        const after = bytes(history.present);
        const steps = history.past.length;
        for (let i = 0; i < steps; i++) history = undo(history);
        expect(history.present).toBe(start);
        expect(bytes(history.present)).toBe(before);
        for (let i = 0; i < steps; i++) history = redo(history);
        expect(bytes(history.present)).toBe(after);
      }),
      rounds(60),
    );
  });

  it("never leave a link without its ends, nor an input with two links, nor a file that ComfyUI cannot read", () => {
    fc.assert(
      fc.property(fc.array(move, { minLength: 50, maxLength: 50 }), (moves) => {
        const doc = moves.reduce(edit, ofEverything());
        for (const [, graph] of graphsOf(doc)) {
          for (const link of graph.links.values()) {
            expect(graph.nodes.has(link.from) || link.from === GRAPH_INPUT).toBe(true);
            expect(graph.nodes.has(link.to) || link.to === GRAPH_OUTPUT).toBe(true);
          }
          for (const id of [...graph.nodes.keys(), GRAPH_OUTPUT]) {
            const names = linksInto(graph, id).map((link) => link.input);
            expect(new Set(names).size).toBe(names.length);
          }
        }
        const saved = saveEditorFile(doc, catalogue);
        expect(structureFaults(saved)).toEqual([]);
        const again = openEditorFile(JSON.parse(JSON.stringify(saved)), catalogue, newId);
        expect(bytes(again)).toBe(JSON.stringify(saved));
        const sent = (one: Doc) => JSON.stringify(toPrompt(one, options));
        expect(sent(again)).toBe(sent(doc));
      }),
      rounds(60),
    );
  });

  it("are of every kind that there is", () => {
    const here = fileURLToPath(new URL("../../src/model/", import.meta.url));
    for (const [module, exported] of Object.entries(MODULES)) {
      const functions = Object.entries(exported).flatMap(([name, one]) => (typeof one === "function" ? [name] : []));
      expect([module, functions.filter((name) => !GESTURES[name] && !READERS.has(name))]).toEqual([module, []]);
    }
    const giving = readdirSync(here).filter((file) =>
      /^export function \w+\((?:\n\s+)?doc: Doc[^{]*\): (?:Doc|readonly \[Doc)/m.test(
        readFileSync(here + file, "utf8"),
      ),
    );
    expect(giving.map((file) => file.replace(".ts", "")).filter((name) => !MODULES[name] && !WHOLE.has(name))).toEqual(
      [],
    );
  });
});
