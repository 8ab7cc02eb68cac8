import { ChevronRight } from "lucide-react";
import { Fragment, useState } from "react";
import { TitleField } from "../canvas/TitleField";
import { graphOf } from "../model/document";
import { activeTab, docOf, enterView, type Tab, useDocs } from "../store/docs";
import { renameInView } from "../store/subgraphs";
import { select } from "../store/ui";

/** The way from the workflow to the subgraph in view. */
export function Breadcrumb() {
  const tab = useDocs(activeTab);
  if (!tab.view.length) return null;
  const go = (depth: number) => {
    enterView(tab.view.slice(0, depth));
    select([]);
  };
  return (
    <nav className="breadcrumb" aria-label="Subgraphs">
      <button type="button" onClick={() => go(0)}>
        {tab.name}
      </button>
      {names(tab).map((name, i) => (
        <Fragment key={tab.view.slice(0, i + 1).join(":")}>
          <ChevronRight size={12} aria-hidden />
          {i < tab.view.length - 1 ? (
            <button type="button" onClick={() => go(i + 1)}>
              {name}
            </button>
          ) : (
            <Here name={name} />
          )}
        </Fragment>
      ))}
    </nav>
  );
}

/** The subgraph in view: a double-click or F2 names it. */
function Here({ name }: { name: string }) {
  const [naming, setNaming] = useState(false);
  if (naming)
    return (
      <TitleField
        value={name}
        label="Name of the subgraph"
        onDone={(text) => {
          setNaming(false);
          if (text !== undefined) renameInView(text);
        }}
      />
    );
  return (
    <button
      type="button"
      aria-current="page"
      title="Double-click to name it"
      onDoubleClick={() => setNaming(true)}
      onKeyDown={(event) => {
        if (event.key !== "F2" && event.key !== "Enter") return;
        event.stopPropagation();
        event.preventDefault();
        setNaming(true);
      }}
    >
      {name}
    </button>
  );
}

function names(tab: Tab): readonly string[] {
  const doc = docOf(tab);
  let graph = graphOf(doc, "root");
  return tab.view.map((id) => {
    const node = graph.nodes.get(id);
    const definition = node && doc.subgraphs.get(node.type);
    if (definition) graph = definition.graph;
    return definition?.name || id;
  });
}
