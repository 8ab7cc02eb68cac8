import type { GraphNode } from "./document";
import { rowsIn } from "./rows";
import type { InputShape, NodeShape, WidgetShape } from "./shape";

/*
 * Sizes and the places of sockets are computed from the schema, never measured: with a thousand nodes, measuring
 * each costs seconds before the first link can be drawn.
 */

export const HEADER = 32;
export const SOCKET_ROW = 22;
export const WIDGET_ROW = 26;
export const TEXT_LINE = 17;
export const PAD = 5;
export const DEFAULT_WIDTH = 256;
export const MIN_WIDTH = 180;
export const SOCKET = 10;
/** What places are rounded to. */
export const GRID = 16;
const MESSAGE_ROW = 46;
const TEXT_CHROME = 30;
const LETTER = 6.4;
/** Below these a text or a picture is of no use: a file that leaves less room does not get its way. */
const LEAST_TEXT = TEXT_CHROME + 2 * TEXT_LINE;
const LEAST_MEDIA = 96;
/** What the nodes that end a workflow can show under their widgets. */
const SHOWN = new Set(["IMAGE", "MASK", "STRING", "*"]);

export type Row =
  | {
      readonly kind: "sockets";
      readonly input?: InputShape;
      readonly output?: number;
      readonly y: number;
      readonly height: number;
    }
  | {
      readonly kind: "widget";
      readonly widget: WidgetShape;
      readonly linked: boolean;
      readonly y: number;
      readonly height: number;
    }
  | { readonly kind: "more"; readonly count: number; readonly y: number; readonly height: number }
  | { readonly kind: "media"; readonly y: number; readonly height: number }
  | { readonly kind: "message"; readonly y: number; readonly height: number };

export interface HandleAt {
  readonly id: string;
  readonly side: "in" | "out";
  readonly type: string;
  /** The centre, from the node's top left corner. */
  readonly x: number;
  readonly y: number;
}

export interface NodeLayout {
  readonly width: number;
  readonly height: number;
  readonly rows: readonly Row[];
  readonly handles: readonly HandleAt[];
}

export interface LayoutInput {
  readonly node: GraphNode;
  readonly shape: NodeShape;
  /** Names of the inputs that a link feeds. */
  readonly linked: ReadonlySet<string>;
  /** Width over height of the picture to show in the node; none where there is nothing to show. */
  readonly aspect?: number;
  readonly message?: boolean;
  /** Whether the widgets folded under "More" are shown. */
  readonly unfolded?: boolean;
}

export const inputHandle = (name: string) => `i:${name}`;
export const outputHandle = (slot: number) => `o:${slot}`;

export function layoutNode(input: LayoutInput): NodeLayout {
  const { node, shape } = input;
  if (shape.kind === "reroute") return rerouteLayout(shape);
  if (shape.kind === "note") return noteLayout(node, shape);
  if (node.collapsed) return collapsedLayout(node, shape);
  const width = nodeWidth(node);
  const rows = stack(input, width);
  const last = rows[rows.length - 1];
  const height = last ? last.y + last.height + PAD : HEADER + PAD;
  return { width, height, rows, handles: placeHandles(rows, shape, width) };
}

export function nodeWidth(node: GraphNode): number {
  return Math.max(MIN_WIDTH, Math.round(node.width ?? DEFAULT_WIDTH));
}

/** The widgets that "More" hides: advanced ones that still hold their default and are fed by no link. */
export function isFolded(widget: WidgetShape, node: GraphNode, linked: ReadonlySet<string>): boolean {
  if (!widget.advanced || linked.has(widget.name)) return false;
  const value = node.values[widget.name];
  return value === undefined || value === widget.default;
}

type Unplaced = { [K in Row["kind"]]: Omit<Extract<Row, { kind: K }>, "y"> }[Row["kind"]];

function stack(input: LayoutInput, width: number): readonly Row[] {
  const { node, shape, linked } = input;
  const parts: Unplaced[] = [];
  const sockets = shape.inputs.filter((one) => !one.widget);
  for (let i = 0; i < Math.max(sockets.length, shape.outputs.length); i++)
    parts.push({
      kind: "sockets",
      input: sockets[i],
      output: i < shape.outputs.length ? i : undefined,
      height: SOCKET_ROW,
    });
  const folded = shape.widgets.filter((widget) => isFolded(widget, node, linked));
  for (const widget of shape.widgets) {
    if (folded.includes(widget) && !input.unfolded) continue;
    const isLinked = linked.has(widget.name);
    parts.push({ kind: "widget", widget, linked: isLinked, height: widgetHeight(widget, node, isLinked, width) });
  }
  if (folded.length) parts.push({ kind: "more", count: folded.length, height: 24 });
  const aspect = input.aspect ?? (uploadName(node, shape) ? 1 : undefined);
  if (aspect) parts.push({ kind: "media", height: mediaHeight(aspect, width) });
  if (input.message) parts.push({ kind: "message", height: MESSAGE_ROW });
  return place(fill(parts, input));
}

/** Makes the parts as tall together as the node was made, as far as pictures and texts can give or take. */
function fill(parts: readonly Unplaced[], { node, shape }: LayoutInput): readonly Unplaced[] {
  if (node.height === undefined) return parts;
  const spare = Math.round(node.height) - parts.reduce((sum, part) => sum + part.height, 2 * PAD);
  const media = parts.find((part) => part.kind === "media");
  const text = parts.find(isText);
  if (spare > 0 && (media ?? text)) return parts.map((part) => (part === (media ?? text) ? taller(part, spare) : part));
  if (spare >= LEAST_MEDIA && showsResults(shape)) return [...parts, { kind: "media", height: spare }];
  if (media && media.height + spare >= LEAST_MEDIA)
    return parts.map((part) => (part === media ? taller(part, spare) : part));
  return parts.reduce<readonly Unplaced[]>((all, part) => {
    const over = all.reduce((sum, one) => sum + one.height, 2 * PAD) - Math.round(node.height ?? 0);
    if (!isText(part) || over <= 0) return all;
    return all.map((one) => (one === part ? taller(part, -Math.min(over, part.height - LEAST_TEXT)) : one));
  }, parts);
}

const taller = (part: Unplaced, by: number): Unplaced => ({ ...part, height: part.height + by });
const isText = (part: Unplaced) => part.kind === "widget" && !part.linked && isTall(part.widget);

/** Whether room that is left in the node waits for what a run will show there. */
const showsResults = (shape: NodeShape) => shape.terminal && shape.inputs.some((one) => SHOWN.has(one.type));

/** The picture that an upload widget names. */
export function uploadName(node: GraphNode, shape: NodeShape): string | undefined {
  const widget = shape.widgets.find((one) => one.upload);
  const value = widget && (node.values[widget.name] ?? widget.default);
  return typeof value === "string" && value ? value : undefined;
}

/** The height that shows all of a node's text, where the node was made less tall than that. */
export function cropped(input: LayoutInput): number | undefined {
  const { height } = input.node;
  if (height === undefined || input.node.collapsed) return undefined;
  const whole = layoutNode({ ...input, node: { ...input.node, height: undefined } }).height - HEADER;
  return whole > Math.round(height) ? whole : undefined;
}

function place(parts: readonly Unplaced[]): readonly Row[] {
  let y = HEADER + PAD;
  return parts.map((part) => {
    const row = { ...part, y } as Row;
    y += part.height;
    return row;
  });
}

export function isTall(widget: WidgetShape): boolean {
  return widget.kind === "text" && widget.multiline;
}

function widgetHeight(widget: WidgetShape, node: GraphNode, linked: boolean, width: number): number {
  const value = node.values[widget.name] ?? widget.default;
  if (widget.rows) return WIDGET_ROW * (rowsIn(widget.rows, value).length + 1);
  if (linked || !isTall(widget)) return WIDGET_ROW;
  const lines = countLines(typeof value === "string" ? value : "", Math.floor((width - 40) / LETTER));
  return TEXT_CHROME + TEXT_LINE * Math.min(14, Math.max(3, lines));
}

function countLines(text: string, letters: number): number {
  return text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / letters)), 0);
}

function mediaHeight(aspect: number, width: number): number {
  return Math.round(Math.min(256, Math.max(64, (width - 16) / aspect))) + 8;
}

function placeHandles(rows: readonly Row[], shape: NodeShape, width: number): readonly HandleAt[] {
  const handles: HandleAt[] = [];
  for (const row of rows) {
    const y = row.y + Math.min(row.height, row.kind === "sockets" ? SOCKET_ROW : WIDGET_ROW) / 2;
    if (row.kind === "sockets") {
      if (row.input) handles.push({ id: inputHandle(row.input.name), side: "in", type: row.input.type, x: 0, y });
      const output = row.output === undefined ? undefined : shape.outputs[row.output];
      if (output && row.output !== undefined)
        handles.push({ id: outputHandle(row.output), side: "out", type: output.type, x: width, y });
    }
    if (row.kind === "widget") {
      const input = shape.inputs.find((one) => one.widget === row.widget.name);
      if (input) handles.push({ id: inputHandle(input.name), side: "in", type: input.type, x: 0, y });
    }
  }
  return handles;
}

function collapsedLayout(node: GraphNode, shape: NodeShape): NodeLayout {
  const width = Math.min(nodeWidth(node), 208);
  const y = HEADER / 2;
  return {
    width,
    height: HEADER,
    rows: [],
    handles: [
      ...shape.inputs.map((one) => ({ id: inputHandle(one.name), side: "in", type: one.type, x: 0, y }) as const),
      ...shape.outputs.map((one, i) => ({ id: outputHandle(i), side: "out", type: one.type, x: width, y }) as const),
    ],
  };
}

function rerouteLayout(shape: NodeShape): NodeLayout {
  const type = shape.outputs[0]?.type ?? "*";
  return {
    width: 48,
    height: 24,
    rows: [],
    handles: [
      { id: inputHandle(""), side: "in", type, x: 0, y: 12 },
      { id: outputHandle(0), side: "out", type, x: 48, y: 12 },
    ],
  };
}

function noteLayout(node: GraphNode, shape: NodeShape): NodeLayout {
  const width = nodeWidth(node);
  const widget = shape.widgets[0] as WidgetShape;
  if (node.collapsed) return { width: Math.min(width, 208), height: HEADER, rows: [], handles: [] };
  const natural = widgetHeight(widget, node, false, width);
  const height = node.height === undefined ? natural : Math.max(LEAST_TEXT, Math.round(node.height) - 2 * PAD);
  const row: Row = { kind: "widget", widget, linked: false, y: HEADER + PAD, height };
  return { width, height: HEADER + height + 2 * PAD, rows: [row], handles: [] };
}
