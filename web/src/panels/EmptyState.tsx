import { useEffect, useState } from "react";
import { listTemplates, type Template } from "../api/rest";
import { activeTab, docOf, useDocs } from "../store/docs";
import { openTemplate } from "../store/files";
import { openSearch } from "../store/focus";
import { loadCatalogue, useLibrary } from "../store/library";
import { togglePanel, useUi } from "../store/ui";
import { TemplateCard } from "./TemplateCard";

const FIRST = ["text_to_image", "image_to_image", "inpaint"];

/** Three to begin with: the plainest where they are there. */
function firstOf(templates: readonly Template[]): readonly Template[] {
  const rank = ({ name }: Template) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...templates].sort((a, b) => rank(a) - rank(b)).slice(0, 3);
}

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
        {firstOf(templates).map((one) => (
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
        drop an image or a workflow here ·{" "}
        <button type="button" className="plain" onClick={openSearch}>
          press <kbd>Tab</kbd> to add a node
        </button>
      </p>
    </section>
  );
}
