import { useMemo } from "react";
import { linksInto, runOrder } from "../model/document";
import { shapeOf, titleOf } from "../model/shape";
import { socketColour } from "../model/types";
import { activeTab, currentGraph, useDocs } from "../store/docs";
import { runOf, useExec } from "../store/exec";
import { goToNode } from "../store/focus";
import { useLibrary } from "../store/library";
import { useUi } from "../store/ui";

/** The graph in view as a list in the order it runs, each node with what feeds it. Fully usable by keyboard. */
export default function Outline() {
  const tab = useDocs(activeTab);
  const catalogue = useLibrary((state) => state.catalogue);
  const selection = useUi((state) => state.selection);
  const run = useExec((state) => runOf(state, tab.id));
  const rows = useMemo(() => {
    const around = { ...currentGraph(tab), catalogue };
    return runOrder(around.graph).flatMap((id) => {
      const node = around.graph.nodes.get(id);
      if (!node) return [];
      const shape = shapeOf(node, around);
      const inputs = linksInto(around.graph, id).flatMap((link) => {
        const from = around.graph.nodes.get(link.from);
        return from
          ? [
              {
                key: link.id,
                label: link.input || "in",
                source: link.from,
                from: titleOf(from, shapeOf(from, around)),
                type: link.type,
              },
            ]
          : [];
      });
      return [{ id, title: titleOf(node, shape), inputs, mode: node.mode }];
    });
  }, [tab, catalogue]);
  const go = (id: string) => goToNode([...tab.view, id].join(":"));
  if (!rows.length) return <p className="hint">Nothing here yet.</p>;
  return (
    <ol className="outline" aria-label="Nodes in the order they run">
      {rows.map((row) => {
        const state = run.nodes[[...tab.view, row.id].join(":")]?.state;
        return (
          <li key={row.id}>
            <button
              type="button"
              className={selection.has(row.id) ? "outline-node chosen" : "outline-node"}
              aria-current={selection.has(row.id)}
              onClick={() => go(row.id)}
            >
              {row.title}
              <small>
                {[row.mode === 4 && "bypassed", row.mode === 2 && "muted", state].filter(Boolean).join(", ")}
              </small>
            </button>
            {row.inputs.length > 0 && (
              <ul>
                {row.inputs.map((input) => (
                  <li key={input.key}>
                    <button type="button" onClick={() => go(input.source)}>
                      <i className="swatch" style={{ background: socketColour(input.type) }} />
                      {input.label} <small>from {input.from}</small>
                    </button>
                  </li>
                ))}
              </ul>
            )}
          </li>
        );
      })}
    </ol>
  );
}
