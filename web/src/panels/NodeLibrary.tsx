import { useMemo, useState } from "react";
import { addNode } from "../model/edits";
import type { NodeSchema } from "../model/schema";
import { filterTexts } from "../model/search";
import { socketColour } from "../model/types";
import { edit } from "../store/docs";
import { placeHere } from "../store/focus";
import { rememberUse, useLibrary } from "../store/library";
import { select } from "../store/ui";

/** All nodes by category, to drag out or click in. */
export default function NodeLibrary() {
  const catalogue = useLibrary((state) => state.catalogue);
  const [text, setText] = useState("");
  const groups = useMemo(() => {
    const found = filterTexts([...catalogue.values()], text, (one) => one.title);
    const byCategory = new Map<string, NodeSchema[]>();
    for (const one of found) byCategory.set(one.category, [...(byCategory.get(one.category) ?? []), one]);
    return [...byCategory].sort(([a], [b]) => a.localeCompare(b));
  }, [catalogue, text]);
  return (
    <>
      <input
        className="filter"
        type="text"
        placeholder="Filter"
        aria-label="Filter nodes"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {groups.map(([category, nodes]) => (
        <details key={category} open={text !== ""}>
          <summary>
            {category} <small>{nodes.length}</small>
          </summary>
          {nodes.map((one) => (
            <button
              type="button"
              key={one.type}
              className="library-node"
              draggable
              title={one.description}
              onDragStart={(event) => event.dataTransfer.setData("application/x-sfumato-node", one.type)}
              onClick={() => add(one)}
            >
              <i className="swatch" style={{ background: socketColour(one.outputs[0]?.type ?? "*") }} />
              {one.title}
            </button>
          ))}
        </details>
      ))}
    </>
  );
}

function add(schema: NodeSchema): void {
  const { place } = placeHere();
  rememberUse(schema.type);
  edit(`add ${schema.title}`, (doc, at) => {
    const [next, id] = addNode(doc, at, schema.type, {
      x: Math.round(place.x / 16) * 16,
      y: Math.round(place.y / 16) * 16,
    });
    select([id]);
    return next;
  });
}
