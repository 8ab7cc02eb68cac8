import { isList, isObject, type Json, type JsonObject, sameJson } from "./json";
import type { RowsSchema, WidgetSchema } from "./schema";

/*
 * A list of rows, each with the same few fields, edited as one widget. Its value is what the file holds of it: the rows
 * and what stands around them, so that all of it is written again as it was.
 */

export type Row = JsonObject;

const holds = (rows: RowsSchema, value: Json | undefined): value is Row =>
  isObject(value) && rows.cells.some((cell) => cell.name in value);

/** What a list without rows holds. */
export const emptyRows = ({ before, after }: RowsSchema): readonly Json[] => [...before, ...after];

export function rowsIn(rows: RowsSchema, value: Json | undefined): readonly Row[] {
  return isList(value) ? value.filter((one) => holds(rows, one)) : [];
}

/** The value with these rows in the place of those that it had. */
export function withRows(rows: RowsSchema, value: Json | undefined, next: readonly Row[]): readonly Json[] {
  const list = isList(value) ? value : emptyRows(rows);
  const first = list.findIndex((one) => holds(rows, one));
  const last = list.findLastIndex((one) => holds(rows, one));
  const start = first < 0 ? Math.min(rows.before.length, list.length) : first;
  return [...list.slice(0, start), ...next, ...list.slice(first < 0 ? start : last + 1)];
}

/** A row as it begins: with what is given of it, and nothing where a field may be left empty. */
export function newRow(rows: RowsSchema, given: Row = {}): Row {
  const start = rows.cells.map((cell) => [cell.name, cell.optional ? null : cell.default] as const);
  return { ...Object.fromEntries(start), ...given };
}

/** Whether a row counts: the first of its switches says so. */
export function isOn(rows: RowsSchema, row: Row): boolean {
  const toggle = rows.cells.find((cell) => cell.kind === "toggle");
  return toggle === undefined || row[toggle.name] !== false;
}

/** The rows with one of them at another place, or as they are where there is no such place. */
export function movedRow(rows: readonly Row[], from: number, to: number): readonly Row[] {
  const row = rows[from];
  if (!row || to < 0 || to >= rows.length) return rows;
  return rows.toSpliced(from, 1).toSpliced(to, 0, row);
}

/** The rows by the names of the inputs that they are sent to. */
export function rowEntries(rows: RowsSchema, value: Json | undefined): readonly (readonly [string, Json])[] {
  const held = rowsIn(rows, value);
  return rows.places.slice(0, held.length).map((name, i) => [name, held[i] as Row] as const);
}

/** Takes the list out of a node's values: the list, and the values of its other widgets. */
export function takeRows(
  widget: WidgetSchema & { readonly rows: RowsSchema },
  list: readonly Json[],
  alone: boolean,
): { readonly own: readonly Json[]; readonly rest: readonly Json[] } {
  if (alone) return { own: list, rest: [] };
  const [start, end] = spanOf(widget.rows, list);
  return { own: list.slice(start, end), rest: [...list.slice(0, start), ...list.slice(end)] };
}

function spanOf(rows: RowsSchema, list: readonly Json[]): readonly [number, number] {
  const { before, after } = rows;
  const stands = (part: readonly Json[], at: number) => sameJson(list.slice(at, at + part.length), part);
  const first = list.findIndex((one) => holds(rows, one));
  if (first < 0) {
    const frame = emptyRows(rows);
    const start = frame.length ? list.findIndex((_, at) => stands(frame, at)) : -1;
    return start < 0 ? [0, 0] : [start, start + frame.length];
  }
  const end = list.findLastIndex((one) => holds(rows, one)) + 1;
  const start = first - before.length;
  return [start >= 0 && stands(before, start) ? start : first, stands(after, end) ? end + after.length : end];
}
