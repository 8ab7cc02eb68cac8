import type { Prompt } from "./prompt";

/* Pictures side by side, told apart by what they were made with. */

export interface Axis {
  readonly name: string;
  /** The value of each picture, in the order of the pictures. */
  readonly values: readonly string[];
}

export interface Sheet {
  /** What sets each picture apart, in words; empty where nothing is known to. */
  readonly labels: readonly string[];
  /** Where two settings make a full table: their values along its sides, and which picture is where. */
  readonly table?: {
    readonly across: string;
    readonly down: string;
    readonly columns: readonly string[];
    readonly rows: readonly string[];
    readonly cells: readonly (readonly number[])[];
  };
}

const UNTOLD = new Set(["filename_prefix"]);
const LABELLED = 3;
const WORDS = 40;

/** How pictures of these prompts are best laid out. */
export function sheetOf(prompts: readonly Prompt[]): Sheet {
  const axes = axesOf(prompts);
  const labels = prompts.map((_, i) =>
    axes
      .slice(0, LABELLED)
      .map((axis) => `${axis.name} ${axis.values[i]}`.trim())
      .join(" · "),
  );
  return { labels, table: tableOf(axes, prompts.length) };
}

/** The settings in which the prompts differ; those with the fewest values first. */
export function axesOf(prompts: readonly Prompt[]): readonly Axis[] {
  const places = new Map<string, { readonly id: string; readonly input: string }>();
  for (const prompt of prompts)
    for (const [id, node] of Object.entries(prompt))
      for (const input of Object.keys(node.inputs)) if (!UNTOLD.has(input)) places.set(`${id} ${input}`, { id, input });
  const axes = [...places.values()].flatMap(({ id, input }) => {
    const values = prompts.map((prompt) => textOf(prompt[id]?.inputs[input]));
    return new Set(values).size > 1 && values.every((value) => value !== undefined)
      ? [{ name: input, values: values as readonly string[] }]
      : [];
  });
  const count = (axis: Axis) => new Set(axis.values).size;
  return axes.sort((a, b) => count(a) - count(b));
}

function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null || typeof value === "object") return undefined;
  const text = String(value);
  return text.length > WORDS ? `${text.slice(0, WORDS - 1)}…` : text;
}

function tableOf(axes: readonly Axis[], count: number): Sheet["table"] {
  for (const [i, down] of axes.entries())
    for (const across of axes.slice(i + 1)) {
      const columns = sorted(across.values);
      const rows = sorted(down.values);
      if (columns.length * rows.length !== count) continue;
      const cells = rows.map((row) =>
        columns.map((column) => across.values.findIndex((value, at) => value === column && down.values[at] === row)),
      );
      if (cells.every((row) => row.every((at) => at >= 0)))
        return { across: across.name, down: down.name, columns, rows, cells };
    }
  return undefined;
}

/** Each value once: numbers by size, words in their order. */
function sorted(values: readonly string[]): readonly string[] {
  const once = [...new Set(values)];
  return once.every((value) => value !== "" && Number.isFinite(Number(value)))
    ? once.sort((a, b) => Number(a) - Number(b))
    : once;
}
