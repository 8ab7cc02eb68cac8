export interface Span {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const STEP = 0.05;

/** The text with the selection's weight moved up or down: `word` -> `(word:1.05)`, and back at 1. */
export function weighSelection({ text, start, end }: Span, by: 1 | -1): Span {
  const [from, to] = start === end ? wordAround(text, start) : trimmed(text, start, end);
  if (from === to) return { text, start, end };
  const outer = weightedAround(text, from, to);
  const inside = outer ? text.slice(outer.from + 1, outer.colon) : text.slice(from, to);
  const weight = Math.round(((outer?.weight ?? 1) + by * STEP) * 100) / 100;
  const made = weight === 1 ? inside : `(${inside}:${weight})`;
  const at = outer?.from ?? from;
  const next = text.slice(0, at) + made + text.slice(outer?.to ?? to);
  const offset = weight === 1 ? 0 : 1;
  return { text: next, start: at + offset, end: at + offset + inside.length };
}

function wordAround(text: string, at: number): readonly [number, number] {
  let from = at;
  let to = at;
  while (from > 0 && /[\w'-]/.test(text[from - 1] ?? "")) from--;
  while (to < text.length && /[\w'-]/.test(text[to] ?? "")) to++;
  return [from, to];
}

function trimmed(text: string, start: number, end: number): readonly [number, number] {
  let [from, to] = [start, end];
  while (from < to && /\s/.test(text[from] ?? "")) from++;
  while (to > from && /\s/.test(text[to - 1] ?? "")) to--;
  return [from, to];
}

function weightedAround(text: string, from: number, to: number) {
  const open = text[from] === "(" && text[to - 1] === ")" ? from : from - 1;
  const match = /^\(([^()]*):(-?[\d.]+)\)/.exec(text.slice(Math.max(0, open)));
  if (open < 0 || !match) return undefined;
  const colon = open + 1 + (match[1] ?? "").length;
  const end = open + match[0].length;
  return end >= to && colon <= end ? { from: open, colon, to: end, weight: Number(match[2]) } : undefined;
}

/** The value of simple sums such as `512*1.5`, or nothing where it is none. */
export function calculate(text: string): number | undefined {
  const tokens = text.replace(/,/g, ".").match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|[-+*/()%^]/gi);
  if (!tokens || tokens.join("") !== text.replace(/,/g, ".").replace(/\s+/g, "")) return undefined;
  let at = 0;
  const value = sum();
  return at === tokens.length && Number.isFinite(value) ? value : undefined;

  function sum(): number {
    let left = product();
    while (tokens?.[at] === "+" || tokens?.[at] === "-")
      left = tokens[at++] === "+" ? left + product() : left - product();
    return left;
  }
  function product(): number {
    let left = power();
    for (let sign = tokens?.[at]; sign === "*" || sign === "/" || sign === "%"; sign = tokens?.[at]) {
      at++;
      const right = power();
      left = sign === "*" ? left * right : sign === "/" ? left / right : left % right;
    }
    return left;
  }
  function power(): number {
    const left = unary();
    if (tokens?.[at] !== "^") return left;
    at++;
    return left ** power();
  }
  function unary(): number {
    if (tokens?.[at] === "-" || tokens?.[at] === "+") {
      const sign = tokens[at++] === "-" ? -1 : 1;
      return sign * unary();
    }
    if (tokens?.[at] === "(") {
      at++;
      const inside = sum();
      if (tokens?.[at++] !== ")") return Number.NaN;
      return inside;
    }
    return Number(tokens?.[at++] ?? Number.NaN);
  }
}
