import { progressOf, useExec } from "../store/exec";

/** What a screen reader hears of a run: at most every ten percent. */
export function Status() {
  const said = useExec((state) => {
    const progress = progressOf(state);
    return progress === undefined ? "" : `Running, ${Math.floor(progress * 10) * 10} percent`;
  });
  return (
    <div role="status" className="unseen">
      {said}
    </div>
  );
}
