import { ArrowDown, ArrowUp, PenLine, Play, Trash2, Workflow } from "lucide-react";
import { useState } from "react";
import { graphOf, type Pin } from "../model/document";
import { movePin, togglePin } from "../model/edits";
import { shapeOf, titleOf, widgetValue } from "../model/shape";
import { PictureStrip } from "../panels/PictureStrip";
import { activeTab, docOf, edit, locate, useDocs } from "../store/docs";
import { progressOf, runOf, useExec } from "../store/exec";
import { useLibrary } from "../store/library";
import { run } from "../store/run";
import { useUi } from "../store/ui";
import { WidgetControl } from "../widgets/WidgetControl";

/** The workflow as a simple page: the widgets that were pinned, Run, and what came of it. */
export default function FormPage() {
  const tab = useDocs(activeTab);
  const doc = docOf(tab);
  const [arranging, setArranging] = useState(false);
  const images = useExec((state) => runOf(state, tab.id).images);
  const progress = useExec(progressOf);
  const phone = document.querySelector(".app.phone") !== null;
  return (
    <div className="form">
      <h1>{tab.name}</h1>
      {!doc.form.length && (
        <p className="hint">
          Pin a widget to have it here: right-click it in its node, or use the pin in the inspector.
        </p>
      )}
      {doc.form.map((pin, i) => (
        <PinRow key={`${pin.node} ${pin.widget}`} pin={pin} place={i} count={doc.form.length} arranging={arranging} />
      ))}
      <footer className="form-actions">
        <button type="button" className="run wide" onClick={() => void run()}>
          <Play size={14} fill="currentColor" />{" "}
          {progress === undefined ? "Run" : `Running, ${Math.round(progress * 100)} %`}
        </button>
        {doc.form.length > 1 && (
          <button
            type="button"
            className={arranging ? "icon on" : "icon"}
            aria-pressed={arranging}
            aria-label="Arrange the form"
            title="Arrange"
            onClick={() => setArranging(!arranging)}
          >
            <PenLine size={16} />
          </button>
        )}
        {phone && (
          <button
            type="button"
            className="icon"
            aria-label="Show the graph"
            title="Show the graph"
            onClick={() => useUi.setState({ phoneGraph: true, right: undefined })}
          >
            <Workflow size={16} />
          </button>
        )}
      </footer>
      <PictureStrip images={Object.values(images).flat()} />
    </div>
  );
}

function PinRow({ pin, place, count, arranging }: { pin: Pin; place: number; count: number; arranging: boolean }) {
  const doc = useDocs((state) => docOf(activeTab(state)));
  const catalogue = useLibrary((state) => state.catalogue);
  const found = locate(doc, pin.node);
  const around = found && { catalogue, doc, graph: graphOf(doc, found.at) };
  const node = found && around?.graph.nodes.get(found.id);
  const shape = node && around && shapeOf(node, around);
  const widget = shape?.widgets.find((one) => one.name === pin.widget);
  const remove = () => edit("take out of the form", (now) => togglePin(now, pin.node, pin.widget));
  if (!found || !around || !node || !shape || !widget) {
    return (
      <div className="form-row">
        <p className="hint">{pin.widget} is no longer in the workflow.</p>
        <button type="button" className="icon" aria-label="Take out of the form" onClick={remove}>
          <Trash2 size={14} />
        </button>
      </div>
    );
  }
  const label = pin.label ?? (widget.name === "text" ? titleOf(node, shape) : widget.label);
  return (
    <div className="form-row">
      <WidgetControl
        at={found.at}
        id={node.id}
        path={pin.node}
        node={node}
        widget={widget}
        value={widgetValue(node, widget, around)}
        label={label}
      />
      {arranging && (
        <>
          <button
            type="button"
            className="icon"
            aria-label="Up"
            disabled={place === 0}
            onClick={() => edit("arrange the form", (now) => movePin(now, place, place - 1))}
          >
            <ArrowUp size={14} />
          </button>
          <button
            type="button"
            className="icon"
            aria-label="Down"
            disabled={place === count - 1}
            onClick={() => edit("arrange the form", (now) => movePin(now, place, place + 1))}
          >
            <ArrowDown size={14} />
          </button>
          <button type="button" className="icon" aria-label="Take out of the form" onClick={remove}>
            <Trash2 size={14} />
          </button>
        </>
      )}
    </div>
  );
}
