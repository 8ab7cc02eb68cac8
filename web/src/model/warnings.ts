import type { GraphNode } from "./document";
import type { Json } from "./json";
import { isOn, rowsIn } from "./rows";
import type { Catalogue, RowsSchema, WidgetSchema } from "./schema";
import type { NodeShape, WidgetShape } from "./shape";

/** What will likely go wrong with the node, or could be better, in a sentence each. It may run all the same. */
export function warningsOf(
  node: GraphNode,
  shape: NodeShape,
  linked: ReadonlySet<string>,
  catalogue: Catalogue,
): readonly string[] {
  if (node.mode !== 0) return [];
  const missing = shape.widgets.filter((widget) => !linked.has(widget.name) && isMissing(node, widget));
  return [
    ...missing.map(
      (widget) => `${String(node.values[widget.name])} is not on this server. Choose another ${widget.label}.`,
    ),
    ...shape.widgets.flatMap((widget) => (widget.rows ? rowWarnings(widget.rows, node.values[widget.name]) : [])),
    ...(catalogue.get(node.type)?.deprecated ? ["This node is deprecated: a newer one does its work."] : []),
  ];
}

function rowWarnings(rows: RowsSchema, value: Json | undefined): readonly string[] {
  const held = rowsIn(rows, value);
  const gone = held.flatMap((row) =>
    rows.cells.flatMap((cell) => {
      const chosen = row[cell.name];
      const missing = isOn(rows, row) && cell.kind === "choice" && chosen !== null && isGone(cell, chosen);
      return missing ? [`${String(chosen)} is not on this server. Choose another ${cell.label}.`] : [];
    }),
  );
  const most = rows.places.length;
  return held.length > most ? [...gone, `Only the first ${most} of its ${held.length} rows are used.`] : gone;
}

function isMissing(node: GraphNode, widget: WidgetShape): boolean {
  const value = node.values[widget.name];
  return widget.kind === "choice" && isGone(widget, value);
}

/** Whether a value was chosen that the server does not offer. */
export function isGone(widget: WidgetSchema, value: unknown): boolean {
  return value !== undefined && value !== "" && !widget.upload && !widget.options.some((one) => one === value);
}
