import { Workflow } from "lucide-react";
import { useState } from "react";
import { type Template, templatePicture } from "../api/rest";
import { SketchView } from "./SketchView";

export function TemplateCard({ template, onPick }: { template: Template; onPick: () => void }) {
  return (
    <button type="button" className="template" onClick={onPick}>
      <Look template={template} />
      <strong>{template.title || template.name}</strong>
      <small>{template.description}</small>
    </button>
  );
}

/** What it makes, or else what it is made of. */
function Look({ template: { thumbnail, sketch } }: { template: Template }) {
  const [broken, setBroken] = useState(false);
  if (thumbnail && !broken)
    return <img src={templatePicture(thumbnail)} alt="" loading="lazy" onError={() => setBroken(true)} />;
  return <span className="no-picture">{sketch ? <SketchView sketch={sketch} /> : <Workflow size={28} />}</span>;
}
