import type { GraphId, Link } from "../model/document";
import type { Point } from "../model/edits";
import { hiddenIn } from "../model/frames";
import { inputHandle, outputHandle } from "../model/layout";
import { dotsOn } from "../model/reroutes";
import { placedNode, type Surroundings } from "../model/shape";
import { FOLDED_IN, FOLDED_OUT, frameId, type LinkEdge, movedOnly } from "./derive";

/** Gives the canvas its links; one that did not change is the same object as before. */
export function makeEdgeDeriver(): (
  around: Surroundings,
  at: GraphId,
  selected: ReadonlySet<number>,
  hidden?: number,
) => LinkEdge[] {
  let kept = new Map<number, { key: string; link: Link; made: LinkEdge }>();
  let before: { around: Surroundings; what: readonly unknown[]; made: LinkEdge[] } | undefined;
  return (around, at, selected, hidden) => {
    const what = [at, selected, hidden];
    const same = before && what.every((one, i) => one === before?.what[i]) && movedOnly(before.around, around);
    if (same && before) {
      before = { ...before, around };
      return before.made;
    }
    const next = new Map<number, { key: string; link: Link; made: LinkEdge }>();
    const { nodes: folded } = hiddenIn(around.graph);
    for (const link of around.graph.links.values()) {
      const ends = { from: folded.get(link.from), to: folded.get(link.to) };
      if (ends.from !== undefined && ends.from === ends.to) continue;
      const from = around.graph.nodes.get(link.from);
      const to = around.graph.nodes.get(link.to);
      const off = from?.mode === 2 || to?.mode === 2;
      const bypassed = from?.mode === 4 || to?.mode === 4;
      const via = dotsOn(around.doc, at, link);
      const key = `${ends.from} ${ends.to} ${selected.has(link.id)}${hidden === link.id}${off}${bypassed}${via.map(({ x, y }) => ` ${x},${y}`)}`;
      const old = kept.get(link.id);
      next.set(
        link.id,
        old && old.key === key && old.link === link
          ? old
          : {
              key,
              link,
              made: makeEdge(link, {
                off,
                bypassed,
                selected: selected.has(link.id),
                hidden: hidden === link.id,
                title: nameOf(around, at, link),
                via,
                ends,
              }),
            },
      );
    }
    kept = next;
    before = { around, what, made: [...next.values()].map((one) => one.made) };
    return before.made;
  };
}

function nameOf(around: Surroundings, at: GraphId, link: Link): string {
  const from = placedNode(around, at, link.from);
  const to = placedNode(around, at, link.to);
  const output = from?.shape.outputs[link.slot]?.name ?? link.type;
  const input = to?.shape.inputs.find((one) => one.name === link.input)?.label ?? link.input;
  return `${from?.node.title || from?.shape.title} · ${output} → ${to?.node.title || to?.shape.title} · ${input}`;
}

interface EdgeFacts {
  readonly off: boolean;
  readonly bypassed: boolean;
  readonly selected: boolean;
  readonly hidden: boolean;
  readonly title: string;
  readonly via: readonly Point[];
  /** The folded frames that its ends are hidden in. */
  readonly ends: { readonly from?: number; readonly to?: number };
}

function makeEdge(link: Link, { off, bypassed, selected, hidden, title, via, ends }: EdgeFacts): LinkEdge {
  return {
    id: `l:${link.id}`,
    type: "link",
    source: ends.from === undefined ? link.from : frameId(ends.from),
    sourceHandle: ends.from === undefined ? outputHandle(link.slot) : FOLDED_OUT,
    target: ends.to === undefined ? link.to : frameId(ends.to),
    targetHandle: ends.to === undefined ? inputHandle(link.input) : FOLDED_IN,
    selected,
    hidden,
    focusable: false,
    ariaLabel: title,
    data: { link, off, bypassed, title, via },
  };
}
