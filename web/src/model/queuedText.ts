/* What is done to texts when a workflow is sent. */

/** Picks one of each `{a|b|{c|d}}` and strips comments; `\{`, `\|` and `\}` are the plain characters. */
export function expandChoices(text: string, random: () => number): string {
  const plain = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "");
  let at = 0;
  return sequence(false);

  function sequence(nested: boolean): string {
    const options: string[] = [""];
    const add = (more: string) => {
      options[options.length - 1] += more;
    };
    while (at < plain.length) {
      const letter = plain[at++] as string;
      if (letter === "\\" && /[{}|\\]/.test(plain[at] ?? "")) add(escaped(plain[at++] as string));
      else if (letter === "{") add(sequence(true));
      else if (letter === "|" && nested) options.push("");
      else if (letter === "}" && nested) return options[Math.floor(random() * options.length)] ?? "";
      else add(letter);
    }
    return nested ? `{${options.join("|")}` : (options[0] ?? "");
  }
}

/** `\\{` is a brace; a backslash that escapes a backslash is for the text encoder to read. */
function escaped(letter: string): string {
  return letter === "\\" ? "\\\\" : letter;
}

export function formatDate(date: Date, format: string): string {
  const parts: Readonly<Record<string, number>> = {
    d: date.getDate(),
    M: date.getMonth() + 1,
    h: date.getHours(),
    m: date.getMinutes(),
    s: date.getSeconds(),
  };
  return format.replace(/yyyy|yy|([dMhms])\1?/g, (token) => {
    if (token === "yyyy") return String(date.getFullYear());
    if (token === "yy") return String(date.getFullYear()).slice(2);
    return String(parts[token[0] as string]).padStart(token.length, "0");
  });
}
