import { Check, PenLine, Pin, Play, Square, Workflow } from "lucide-react";
import { useState } from "react";
import { type PinnedWidget, pinnedWidgets } from "../model/form";
import { togglePin } from "../model/pins";
import { widgetValue } from "../model/shape";
import { usualPins } from "../model/usualPins";
import { PictureStrip } from "../panels/PictureStrip";
import { activeTab, docOf, edit, locate, useDocs } from "../store/docs";
import { progressOf, runOf, useExec } from "../store/exec";
import { useLibrary } from "../store/library";
import { cancel, run } from "../store/run";
import { useUi } from "../store/ui";
import { WidgetControl } from "../widgets/WidgetControl";
import { Arrange } from "./Arrange";

/** The workflow as a simple page: the widgets that were pinned, Run, and what came of it. */
export default function FormPage() {
  const tab = useDocs(activeTab);
  const doc = docOf(tab);
  const catalogue = useLibrary((state) => state.catalogue);
  const [arranging, setArranging] = useState(false);
  const results = useExec((state) => runOf(state, tab.id));
  const phone = document.querySelector(".app.phone") !== null;
  const pinned = pinnedWidgets(doc, catalogue, locate);
  const items = Object.entries(results.images).flatMap(([node, images]) =>
    images.map((image) => ({ image, job: results.makers[node] })),
  );
  return (
    <div className="form">
      <h1>{tab.name}</h1>
      {!pinned.length && <NothingPinned />}
      {arranging && pinned.length ? (
        <Arrange pinned={pinned} />
      ) : (
        pinned.map((one) => <PinnedRow key={one.key} one={one} />)
      )}
      <footer className="form-actions">
        <RunButton />
        {pinned.length > 0 && (
          <button
            type="button"
            className={arranging ? "icon on" : "icon"}
            aria-pressed={arranging}
            aria-label="Arrange the form"
            title={arranging ? "Done arranging" : "Arrange and name"}
            onClick={() => setArranging(!arranging)}
          >
            {arranging ? <Check size={16} /> : <PenLine size={16} />}
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
      <PictureStrip items={items} />
    </div>
  );
}

function NothingPinned() {
  const doc = useDocs((state) => docOf(activeTab(state)));
  const usual = usualPins(
    doc,
    useLibrary((state) => state.catalogue),
  );
  return (
    <>
      <p className="hint">Pin a widget to have it here: right-click it in its node, or use the pin in the inspector.</p>
      {usual.length > 0 && (
        <button
          type="button"
          className="quiet"
          onClick={() => edit("show the usual in the form", (now) => ({ ...now, form: usual }))}
        >
          <Pin size={14} /> Pin the usual: words, pictures, seed, steps, size
        </button>
      )}
    </>
  );
}

function RunButton() {
  const progress = useExec(progressOf);
  const running = progress !== undefined;
  return (
    <>
      <button type="button" className="run wide" onClick={() => void run()}>
        <Play size={14} fill="currentColor" /> {running ? `Running, ${Math.round(progress * 100)} %` : "Run"}
      </button>
      {running && (
        <button
          type="button"
          className="icon stop"
          title="Cancel the run"
          aria-label="Cancel the run"
          onClick={() => void cancel()}
        >
          <Square size={14} />
        </button>
      )}
    </>
  );
}

function PinnedRow({ one: { pin, label, found } }: { one: PinnedWidget }) {
  if (!found)
    return (
      <div className="form-row">
        <p className="hint">{label} is no longer in the workflow.</p>
        <button
          type="button"
          className="quiet"
          onClick={() => edit("take out of the form", (doc) => togglePin(doc, pin.node, pin.widget))}
        >
          Take out
        </button>
      </div>
    );
  const { at, node, widget, around } = found;
  return (
    <div className="form-row">
      <WidgetControl
        at={at}
        id={node.id}
        path={pin.node}
        node={node}
        widget={widget}
        value={widgetValue(node, widget, around)}
        label={label}
      />
    </div>
  );
}
