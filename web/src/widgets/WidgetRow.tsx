import { ContextMenu } from "radix-ui";
import { memo } from "react";
import type { CardData } from "../canvas/derive";
import { resetValue } from "../model/edits";
import { feeding } from "../model/everywhere";
import { sameJson, writeJson } from "../model/json";
import type { Row } from "../model/layout";
import { togglePin } from "../model/pins";
import { placedNode, titleOf, widgetValue } from "../model/shape";
import { writeClipboard } from "../store/clipboard";
import { currentGraph, edit, expose, exposure } from "../store/docs";
import { report } from "../store/ui";
import { WidgetControl } from "./WidgetControl";

interface Props {
  readonly id: string;
  readonly row: Extract<Row, { kind: "widget" }>;
  readonly data: CardData;
  readonly style: React.CSSProperties;
}

export const WidgetRow = memo(function WidgetRow({ id, row, data, style }: Props) {
  const { widget } = row;
  const around = currentGraph();
  if (row.linked) {
    const link = feeding(around.graph, id, widget.name);
    const source = link && placedNode(around, around.at, link.from);
    return (
      <div className="row widget linked" style={style}>
        <span className="label">{widget.label}</span>
        <span className="source">{source ? titleOf(source.node, source.shape) : "linked"}</span>
      </div>
    );
  }
  const value = widgetValue(data.node, widget, around);
  const changed = !sameJson(value, widget.default);
  return (
    <ContextMenu.Root>
      <ContextMenu.Trigger asChild>
        <div
          className={changed ? "row widget changed nodrag" : "row widget nodrag"}
          style={style}
          title={widget.tooltip}
          onContextMenu={(event) => event.stopPropagation()}
        >
          <WidgetControl at={around.at} id={id} path={data.path} node={data.node} widget={widget} value={value} />
        </div>
      </ContextMenu.Trigger>
      <ContextMenu.Portal>
        <ContextMenu.Content className="menu">
          <ContextMenu.Item onSelect={() => edit("reset", (doc, at) => resetValue(doc, at, id, widget.name))}>
            Reset to default
          </ContextMenu.Item>
          <ContextMenu.Item
            onSelect={() =>
              void writeClipboard(typeof value === "object" ? writeJson(value) : String(value)).catch(report)
            }
          >
            Copy the value
          </ContextMenu.Item>
          <PinItem path={data.path} widget={widget.name} />
          {!widget.rows && <ExposeItem node={id} widget={widget.name} />}
        </ContextMenu.Content>
      </ContextMenu.Portal>
    </ContextMenu.Root>
  );
});

/** Asked anew each time the menu opens: the form is no part of the node. */
function PinItem({ path, widget }: { path: string; widget: string }) {
  const pinned = currentGraph().doc.form.some((pin) => pin.node === path && pin.widget === widget);
  return (
    <ContextMenu.Item
      onSelect={() => edit(pinned ? "take out of the form" : "show in the form", (doc) => togglePin(doc, path, widget))}
    >
      {pinned ? "Take out of the form" : "Show in the form"}
    </ContextMenu.Item>
  );
}

/** Asked anew each time the menu opens: what a subgraph shows is no part of the node inside it. */
function ExposeItem({ node, widget }: { node: string; widget: string }) {
  const shown = exposure(node, widget);
  if (shown === undefined) return null;
  return (
    <ContextMenu.Item onSelect={() => expose(node, widget)}>
      {shown ? "Hide from the subgraph's node" : "Show on the subgraph's node"}
    </ContextMenu.Item>
  );
}
