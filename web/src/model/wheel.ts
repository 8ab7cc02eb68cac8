/* Whether a wheel turns or two fingers slide: browsers tell both as the same event. */

export interface Turn {
  readonly deltaX: number;
  readonly deltaY: number;
  readonly deltaMode: number;
  readonly ctrlKey: boolean;
  readonly shiftKey: boolean;
}

/** Wheels turn by notches of at least so much. */
const NOTCH = 50;

/** What it is, seen by one event and by what it was thought to be; most events could be of both. */
export function isTrackpad(turn: Turn, before: boolean): boolean {
  // Firefox tells of the lines of a wheel only to who asks for the mode before the lengths.
  const { deltaMode } = turn;
  const { deltaX, deltaY, ctrlKey, shiftKey } = turn;
  if (ctrlKey || shiftKey) return before;
  if (deltaMode !== 0) return false;
  // No wheel turns in two directions at once.
  if (deltaX !== 0 && deltaY !== 0) return true;
  const steps = Math.abs(deltaY) / 120;
  if (deltaX === 0 && Math.abs(deltaY) >= NOTCH && (Number.isInteger(steps) || Math.abs(deltaY) % 100 === 0))
    return false;
  return before;
}
