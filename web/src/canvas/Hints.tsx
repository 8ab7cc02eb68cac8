import { useUi } from "../store/ui";

/** The rule that shows what the pointer is at. */
export function Hints() {
  const hint = useUi((state) => state.hint);
  return hint ? <style>{hint}</style> : null;
}
