import { useEffect, useState } from "react";
import { listTemplates, type Template } from "../api/rest";
import { filterTexts } from "../model/search";
import { plainestFirst } from "../model/templates";
import { openTemplate } from "../store/files";
import { report } from "../store/ui";
import { TemplateCard } from "./TemplateCard";

export default function Templates() {
  const [templates, setTemplates] = useState<readonly Template[]>();
  const [text, setText] = useState("");
  useEffect(() => {
    listTemplates().then(setTemplates, report);
  }, []);
  const found = filterTexts(plainestFirst(templates ?? []), text, (one) => `${one.title} ${one.description}`);
  return (
    <>
      <input
        className="filter"
        type="text"
        placeholder="Filter"
        aria-label="Filter templates"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <div className="template-list">
        {found.map((one) => (
          <TemplateCard key={one.name} template={one} onPick={() => void openTemplate(one)} />
        ))}
      </div>
      {templates && !found.length && (
        <p className="hint">{templates.length ? "Nothing fits." : "This server ships no templates."}</p>
      )}
    </>
  );
}
