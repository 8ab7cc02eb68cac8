/** Whether a text is what A1111 writes beside its pictures: the last line says the settings. The server reads the rest. */
export function isInfotext(text: string): boolean {
  const lines = text.trim().split("\n");
  return /(^|, )Steps: \d+/.test(lines[lines.length - 1] ?? "");
}
