/** For a dialog whose keys are the picture's: no button in it is to look as if it were meant. */
export function focusItself(event: Event): void {
  event.preventDefault();
  (event.currentTarget as HTMLElement).focus();
}
