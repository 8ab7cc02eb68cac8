import { Star } from "lucide-react";
import { useMemo, useState } from "react";
import { addNode } from "../model/edits";
import type { NodeSchema } from "../model/schema";
import { filterTexts } from "../model/search";
import { byUse, type Folder, treeOf } from "../model/tree";
import { socketColour } from "../model/types";
import { edit } from "../store/docs";
import { placeHere } from "../store/focus";
import { rememberUse, toggleFavourite, useLibrary } from "../store/library";
import { select } from "../store/ui";
import { PublishedSubgraphs } from "./PublishedSubgraphs";
import { Tree } from "./Tree";

/** All nodes by category, to drag out or click in; above them the favourites, and what was added last. */
export default function NodeLibrary() {
  const catalogue = useLibrary((state) => state.catalogue);
  const favourites = useLibrary((state) => state.favourites);
  const recent = useLibrary((state) => state.recent);
  const [text, setText] = useState("");
  const tree = useMemo(
    () =>
      treeOf(
        [...filterTexts([...catalogue.values()], text, (one) => one.title)].sort((a, b) =>
          a.title.localeCompare(b.title),
        ),
        (one) => one.category,
        byUse,
      ),
    [catalogue, text],
  );
  const chosen = (name: string, types: readonly string[]): Folder<NodeSchema> => {
    const items = types.flatMap((type) => catalogue.get(type) ?? []);
    return { name, path: name, folders: [], items, count: items.length };
  };
  const own = [chosen("Favourites", favourites), chosen("Added last", recent)].filter((one) => one.count > 0);
  const row = (schema: NodeSchema) => <LibraryNode schema={schema} favourite={favourites.includes(schema.type)} />;
  const keyOf = (schema: NodeSchema) => schema.type;
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
      {text === "" && own.length > 0 && (
        <section className="own-nodes" aria-label="Your nodes">
          <Tree folder={{ ...chosen("", []), folders: own }} keyOf={keyOf} row={row} open={false} />
        </section>
      )}
      <PublishedSubgraphs filter={text} />
      <Tree folder={tree} keyOf={keyOf} row={row} open={text !== ""} />
      {tree.count === 0 && <p className="hint">Nothing fits.</p>}
    </>
  );
}

function LibraryNode({ schema, favourite }: { schema: NodeSchema; favourite: boolean }) {
  return (
    <div className="library-node">
      <button
        type="button"
        className="library-add"
        draggable
        title={schema.description}
        onDragStart={(event) => event.dataTransfer.setData("application/x-sfumato-node", schema.type)}
        onClick={() => add(schema)}
      >
        <i className="swatch" style={{ background: socketColour(schema.outputs[0]?.type ?? "*") }} />
        {schema.title}
      </button>
      <button
        type="button"
        className={favourite ? "icon star on" : "icon star"}
        aria-label={`Favourite: ${schema.title}`}
        aria-pressed={favourite}
        onClick={() => toggleFavourite(schema.type)}
      >
        <Star size={14} fill={favourite ? "currentColor" : "none"} />
      </button>
    </div>
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
