/** A time in the words of the screen: "40 ms", "1.4 s", "2 min 5 s", "1 h 20 min". */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(1, Math.min(999, Math.round(ms)))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return two(seconds, 60, "min", "s");
  return two(Math.round(seconds / 60), 60, "h", "min");
}

function two(count: number, of: number, large: string, small: string): string {
  const rest = count % of;
  return `${Math.floor(count / of)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}
