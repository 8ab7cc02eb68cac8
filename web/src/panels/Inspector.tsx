import { Layers, Pin } from "lucide-react";
import { EndRow } from "../canvas/EndRow";
import { GRAPH_INPUT, GRAPH_OUTPUT } from "../model/document";
import { feeding } from "../model/everywhere";
import { togglePin } from "../model/pins";
import { shapeOf, titleOf, widgetValue } from "../model/shape";
import { activeTab, currentGraph, edit, expose, exposure, useDocs } from "../store/docs";
import { useLibrary } from "../store/library";
import { useUi } from "../store/ui";
import { WidgetControl } from "../widgets/WidgetControl";

/** The selected node's widgets at full width, and what is known of it. */
export default function Inspector() {
  const tab = useDocs(activeTab);
  const catalogue = useLibrary((state) => state.catalogue);
  const selection = useUi((state) => state.selection);
  const around = { ...currentGraph(tab), catalogue };
  const [id] = selection;
  const end = id === GRAPH_INPUT || id === GRAPH_OUTPUT ? id : undefined;
  if (end && selection.size === 1 && tab.view.length) return <Ends end={end} />;
  const node = id === undefined ? undefined : around.graph.nodes.get(id);
  if (!node || selection.size !== 1)
    return <p className="hint">{selection.size > 1 ? `${selection.size} nodes are selected.` : "Select a node."}</p>;
  const shape = shapeOf(node, around);
  const path = [...tab.view, node.id].join(":");
  return (
    <div className="inspector">
      <h3>{titleOf(node, shape)}</h3>
      <p className="hint">
        {node.type}
        {shape.category && ` · ${shape.category}`}
      </p>
      {shape.description && <p>{shape.description}</p>}
      {shape.widgets.map((widget) => {
        const pinned = around.doc.form.some((pin) => pin.node === path && pin.widget === widget.name);
        if (feeding(around.graph, node.id, widget.name))
          return (
            <p key={widget.name} className="hint">
              {widget.label} is linked.
            </p>
          );
        return (
          <div key={widget.name} className="form-row">
            <WidgetControl
              at={around.at}
              id={node.id}
              path={path}
              node={node}
              widget={widget}
              value={widgetValue(node, widget, around)}
            />
            <button
              type="button"
              className={pinned ? "icon on" : "icon"}
              aria-pressed={pinned}
              aria-label={`Show ${widget.label} in the form`}
              title="Show in the form"
              onClick={() => edit("show in the form", (doc) => togglePin(doc, path, widget.name))}
            >
              <Pin size={14} />
            </button>
            {!widget.rows && <Expose node={node.id} widget={widget.name} label={widget.label} />}
          </div>
        );
      })}
    </div>
  );
}

/** Inside a subgraph: whether the widget is also on the subgraph's node. */
function Expose({ node, widget, label }: { node: string; widget: string; label: string }) {
  const shown = exposure(node, widget);
  if (shown === undefined) return null;
  return (
    <button
      type="button"
      className={shown ? "icon on" : "icon"}
      aria-pressed={shown}
      aria-label={`Show ${label} on the subgraph's node`}
      title="Show on the subgraph's node"
      onClick={() => expose(node, widget)}
    >
      <Layers size={14} />
    </button>
  );
}

/** The sockets at one end of the subgraph in view. */
function Ends({ end }: { end: string }) {
  const { doc, at } = currentGraph();
  const side = end === GRAPH_INPUT ? "in" : "out";
  const definition = doc.subgraphs.get(at);
  const ports = (side === "in" ? definition?.inputs : definition?.outputs) ?? [];
  return (
    <div className="inspector">
      <h3>{side === "in" ? "Inputs" : "Outputs"}</h3>
      <p className="hint">Drag from “new” to a socket to add one.</p>
      <ul className="end-list">
        {ports.map((port) => (
          <li key={port.id}>
            <EndRow graph={at} side={side} port={port} /> <small>{port.type}</small>
          </li>
        ))}
      </ul>
    </div>
  );
}
