import { ChevronRight } from "lucide-react";
import { Fragment } from "react";
import { graphOf } from "../model/document";
import { activeTab, docOf, enterView, type Tab, useDocs } from "../store/docs";
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
          <button type="button" aria-current={i === tab.view.length - 1 ? "page" : undefined} onClick={() => go(i + 1)}>
            {name}
          </button>
        </Fragment>
      ))}
    </nav>
  );
}

function names(tab: Tab): readonly string[] {
  const doc = docOf(tab);
  let graph = graphOf(doc, "root");
  return tab.view.map((id) => {
    const node = graph.nodes.get(id);
    const definition = node && doc.subgraphs.get(node.type);
    if (definition) graph = definition.graph;
    return node?.title || definition?.name || id;
  });
}
