import { useEffect, useState } from "react";
import { listTemplates, type Template } from "../api/rest";
import { plainestFirst } from "../model/templates";
import { command } from "../store/commands";
import { activeTab, docOf, useDocs } from "../store/docs";
import { openTemplate } from "../store/files";
import { openSearch } from "../store/focus";
import { loadCatalogue, useLibrary } from "../store/library";
import { togglePanel, useUi } from "../store/ui";
import { TemplateCard } from "./TemplateCard";

/** What an empty canvas says: where to begin. */
export function EmptyState({ ready }: { ready: boolean }) {
  const empty = useDocs((state) => docOf(activeTab(state)).root.nodes.size === 0 && activeTab(state).view.length === 0);
  const problem = useLibrary((state) => state.problem);
  const searching = useUi((state) => state.search !== undefined);
  const [templates, setTemplates] = useState<readonly Template[]>([]);
  useEffect(() => {
    if (ready) void listTemplates().then(setTemplates, () => undefined);
  }, [ready]);
  if (problem) {
    return (
      <section className="empty" role="alert">
        <h1>No answer from the server</h1>
        <p>{problem}</p>
        <button type="button" className="run" onClick={() => void loadCatalogue()}>
          Try again
        </button>
      </section>
    );
  }
  if (!empty || searching || !ready) return null;
  return (
    <section className="empty" aria-label="Where to begin">
      <h1>Begin with a template</h1>
      <div className="cards">
        {plainestFirst(templates)
          .slice(0, 3)
          .map((one) => (
            <TemplateCard key={one.name} template={one} onPick={() => void openTemplate(one)} />
          ))}
      </div>
      <p>
        {templates.length > 3 && (
          <>
            <button type="button" className="plain" onClick={() => togglePanel("left", "templates")}>
              All {templates.length} templates
            </button>{" "}
            ·{" "}
          </>
        )}
        <button type="button" className="plain" onClick={command("open").run}>
          open a workflow or a picture
        </button>
        <span className="by-mouse">, or drop it here</span> ·{" "}
        <button type="button" className="plain" onClick={openSearch}>
          add a node <kbd className="by-mouse">Tab</kbd>
        </button>
      </p>
    </section>
  );
}
