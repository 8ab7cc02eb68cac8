import { Workflow } from "lucide-react";
import { useState } from "react";
import { type Template, templateThumbnail } from "../api/rest";

export function TemplateCard({ template, onPick }: { template: Template; onPick: () => void }) {
  const [broken, setBroken] = useState(false);
  return (
    <button type="button" className="template" onClick={onPick}>
      {broken || template.thumbnail === undefined || template.thumbnail === null ? (
        <span className="no-picture">
          <Workflow size={28} />
        </span>
      ) : (
        <img src={templateThumbnail(template)} alt="" loading="lazy" onError={() => setBroken(true)} />
      )}
      <strong>{template.title || template.name}</strong>
      <small>{template.description}</small>
    </button>
  );
}
