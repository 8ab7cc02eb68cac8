/** A time as people write it. Servers give seconds or milliseconds; the size tells them apart. */
export function when(time: number): string {
  const ms = time > 1e11 ? time : time * 1000;
  return Number.isFinite(ms) && ms > 0
    ? new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })
    : "";
}
