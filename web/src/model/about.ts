import type { Json } from "./json";
import { writeJson } from "./json";
import type { NodeShape, WidgetShape } from "./shape";

/* What is known of a node's class, to be read by a person. */

export interface Fact {
  readonly name: string;
  readonly type: string;
  /** Bounds, default and the like. */
  readonly rules: string;
  readonly about?: string;
}

export function inputsOf(shape: NodeShape): readonly Fact[] {
  const sockets = shape.inputs
    .filter((one) => !one.widget)
    .map(({ label, type, optional, tooltip }) => ({
      name: label,
      type,
      rules: optional ? "optional" : "",
      about: tooltip,
    }));
  return [...sockets, ...shape.widgets.map(widgetFact)];
}

export const outputsOf = (shape: NodeShape): readonly Fact[] =>
  shape.outputs.map(({ name, type, list, tooltip }) => ({ name, type, rules: list ? "a list" : "", about: tooltip }));

function widgetFact(widget: WidgetShape): Fact {
  const { label, type, min, max, kind, options, tooltip } = widget;
  const rules = [
    kind === "choice" && options.length > 1 && `${options.length} to choose from`,
    rangeOf(min, max),
    kind !== "choice" && said(widget.default) && `default ${said(widget.default)}`,
  ];
  return { name: label, type, rules: rules.filter(Boolean).join(", "), about: tooltip };
}

function rangeOf(min: number | undefined, max: number | undefined): string | false {
  const top = max === undefined || max >= 2 ** 31 ? undefined : max;
  if (min === undefined && top === undefined) return false;
  if (top === undefined) return `from ${min}`;
  return min === undefined ? `up to ${top}` : `${min} to ${top}`;
}

const MOST = 40;

function said(value: Json): string {
  if (value === "" || value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "on" : "off";
  const text = typeof value === "string" ? value : writeJson(value);
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text;
}
