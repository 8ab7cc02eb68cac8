import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesBeside } from "../../src/model/bytes";
import { copyPart, paste } from "../../src/model/clip";
import { type Doc, emptyDoc, linksInto, ROOT } from "../../src/model/document";
import {
  addFrame,
  addNode,
  addReroute,
  connect,
  disconnect,
  extractNodes,
  moveNodes,
  removeNodes,
  renameNode,
  resizeNode,
  setValue,
  toggleCollapsed,
  toggleMode,
  unwrapSubgraph,
  wrapInSubgraph,
} from "../../src/model/edits";
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
import { saveEditorFile } from "../../src/model/saveFile";
import { shapeOf } from "../../src/model/shape";
import { fits } from "../../src/model/types";
import { catalogue, textToImage } from "../support";

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

/** One random edit, chosen by numbers, on whatever the document holds by then. */
type Move = readonly [kind: number, a: number, b: number, c: number];

const TYPES = [...catalogue.keys(), "Reroute", "PrimitiveNode", "Note", "NoSuchNode"];

function edit(doc: Doc, [kind, a, b, c]: Move): Doc {
  const { graph, around } = { graph: doc.root, around: { catalogue, doc, graph: doc.root } };
  const ids = [...graph.nodes.keys()];
  const pick = (n: number) => ids[n % Math.max(1, ids.length)] ?? "0";
  const some = ids.filter((_, i) => (a >> (i % 8)) & 1);
  switch (kind) {
    case 0:
      return addNode(doc, ROOT, TYPES[a % TYPES.length] as string, { x: b, y: c })[0];
    case 1: {
      const from = graph.nodes.get(pick(a));
      const to = graph.nodes.get(pick(b));
      if (!from || !to || from === to) return doc;
      const output = shapeOf(from, around).outputs[0];
      const input = output && shapeOf(to, around).inputs.find((one) => fits(output.type, one.type));
      return output && input
        ? connect(doc, ROOT, { from: from.id, slot: 0, to: to.id, input: input.name, type: output.type })
        : doc;
    }
    case 2:
      return disconnect(doc, ROOT, [...graph.links.keys()].slice(a % 5, (a % 5) + 2));
    case 3:
      return moveNodes(doc, ROOT, new Map(some.map((id) => [id, { x: b, y: c }])));
    case 4:
      return removeNodes(doc, ROOT, [pick(a)], b % 2 === 0);
    case 5:
      return setValue(doc, ROOT, pick(a), "text", `words ${b}`);
    case 6:
      return toggleMode(doc, ROOT, some, a % 2 ? 2 : 4);
    case 7: {
      const clip = copyPart(doc, ROOT, { nodes: new Set(some.slice(0, 4)), frames: new Set() });
      return paste(doc, ROOT, clip, { x: b, y: c }, a % 2 === 0)[0];
    }
    case 8:
      return wrapInSubgraph(doc, ROOT, new Set(some.slice(0, 3)), {
        id: `sub-${a}-${b}-${c}`,
        name: "S",
        catalogue,
        portId: () => `p${a}${b}${c}${Math.random()}`,
      })[0];
    case 9:
      return unwrapSubgraph(doc, ROOT, pick(a), catalogue)[0];
    case 10:
      return toggleCollapsed(
        renameNode(resizeNode(doc, ROOT, pick(a), 200 + (b % 300)), ROOT, pick(b), `t${c}`),
        ROOT,
        some,
      );
    case 11: {
      const link = [...graph.links.keys()][a % Math.max(1, graph.links.size)];
      return link === undefined ? doc : addReroute(doc, ROOT, link, { x: b, y: c })[0];
    }
    case 12:
      return addFrame(doc, ROOT, { x: a, y: b, width: 300, height: 200 }, "F")[0];
    default:
      return extractNodes(doc, ROOT, some.slice(0, 2));
  }
}

const move = fc.tuple(fc.nat(13), fc.nat(10_000), fc.nat(10_000), fc.nat(10_000));

describe("fifty random gestures", () => {
  it("are undone to the exact document and redone to the exact document", () => {
    fc.assert(
      fc.property(fc.array(move, { minLength: 50, maxLength: 50 }), fc.boolean(), (moves, fromEmpty) => {
        const start = fromEmpty ? emptyDoc("doc") : textToImage().doc;
        const before = JSON.stringify(saveEditorFile(start, catalogue));
        let history: History<Doc> = startHistory(start);
        moves.forEach((one, i) => {
          const next = edit(history.present, one);
          history = i % 3 ? commit(history, next, "edit") : gesture(history, `g${Math.floor(i / 6)}`, next, "edit");
        });
        history = settle(history);
        const after = JSON.stringify(saveEditorFile(history.present, catalogue));
        const steps = history.past.length;
        for (let i = 0; i < steps; i++) history = undo(history);
        expect(history.present).toBe(start);
        expect(JSON.stringify(saveEditorFile(history.present, catalogue))).toBe(before);
        for (let i = 0; i < steps; i++) history = redo(history);
        expect(JSON.stringify(saveEditorFile(history.present, catalogue))).toBe(after);
      }),
      { numRuns: 60 },
    );
  });

  it("never leave a link without its ends, nor an input with two links", () => {
    fc.assert(
      fc.property(fc.array(move, { minLength: 50, maxLength: 50 }), (moves) => {
        const doc = moves.reduce(edit, textToImage().doc);
        for (const link of doc.root.links.values()) {
          expect(doc.root.nodes.has(link.from)).toBe(true);
          expect(doc.root.nodes.has(link.to)).toBe(true);
        }
        for (const id of doc.root.nodes.keys()) {
          const names = linksInto(doc.root, id).map((link) => link.input);
          expect(new Set(names).size).toBe(names.length);
        }
      }),
      { numRuns: 60 },
    );
  });
});
