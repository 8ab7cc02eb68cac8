/* F6 goes from one part of the screen to the next: on the canvas Tab adds a node, so that it is no way out. */

const REGIONS = [".topbar", ".rail", ".canvas .react-flow", ".panel.left", ".panel.right", ".form-only"];
const FOCUSABLE = "a[href], button:not([disabled]), input, textarea, select, [tabindex='0']";

/** Goes to the next part that is on the screen, or to the one before. */
export function goRegion(step: 1 | -1): void {
  const there = REGIONS.flatMap((one) => document.querySelector<HTMLElement>(one) ?? []);
  const here = there.findIndex((one) => one.contains(document.activeElement));
  const next = there[here < 0 && step < 0 ? there.length - 1 : (here + step + there.length) % there.length];
  if (!next) return;
  const first = next.matches("[tabindex]") ? next : next.querySelector<HTMLElement>(FOCUSABLE);
  (next.querySelector<HTMLElement>(".react-flow__node.selected") ?? first)?.focus();
}
