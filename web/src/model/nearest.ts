/** Known names near to a wanted one: what to offer for a missing file or an unknown class. */
export function nearest(wanted: string, names: readonly string[], limit = 3): readonly string[] {
  const words = (name: string) =>
    new Set(
      name
        .toLowerCase()
        .replace(/\.\w+$/, "")
        .match(/[a-z]+|\d+/g) ?? [],
    );
  const want = words(wanted);
  return names
    .map((name) => ({ name, score: likeness(want, words(name)) }))
    .filter((one) => one.score > 0.2)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map((one) => one.name);
}

function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const shared = [...a].filter((word) => b.has(word)).length;
  return shared / Math.max(1, a.size + b.size - shared);
}
