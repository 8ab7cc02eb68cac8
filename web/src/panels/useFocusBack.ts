import { useEffect, useRef } from "react";

const leaveToUs = (event: Event) => event.preventDefault();

/**
 * For a dialog that is typed into: the focus goes back in the moment that the dialog goes, so that the next key is
 * where it is meant to be. A dialog by itself gives the focus back a little later, and takes it from what came next.
 */
export function useFocusBack(): { readonly onCloseAutoFocus: (event: Event) => void } {
  const before = useRef(document.activeElement);
  useEffect(() => {
    const back = before.current;
    return () => {
      if (back instanceof HTMLElement) back.focus({ preventScroll: true });
    };
  }, []);
  return { onCloseAutoFocus: leaveToUs };
}
