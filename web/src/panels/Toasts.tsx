import { X } from "lucide-react";
import { useEffect, useState } from "react";
import { dismiss, type Toast, useUi } from "../store/ui";

export function Toasts() {
  const toasts = useUi((state) => state.toasts);
  return (
    <section className="toasts" aria-label="Messages">
      {toasts.map((one) => (
        <Message key={one.id} one={one} />
      ))}
    </section>
  );
}

function Message({ one }: { one: Toast }) {
  const held = useTime(one);
  return (
    <div className={`toast ${one.kind}`} role={one.kind === "error" ? "alert" : "status"} {...held}>
      <div className="toast-text">
        <p>{one.text}</p>
        {one.list && (
          <ul>
            {one.list.map(({ label, run }) => (
              <li key={label}>
                <button type="button" onClick={run}>
                  {label}
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
      {one.action && (
        <button
          type="button"
          className="plain"
          onClick={() => {
            dismiss(one.id);
            one.action?.run();
          }}
        >
          {one.action.label}
        </button>
      )}
      <button type="button" className="icon" aria-label="Dismiss" onClick={() => dismiss(one.id)}>
        <X size={14} />
      </button>
    </div>
  );
}

const TICK_MS = 250;

/**
 * Takes the message away when it has been seen long enough: time in which the page was hidden or stood still is not
 * counted, nor time in which somebody points at the message or is in it.
 */
function useTime({ id, ms }: Toast) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (ms === undefined || held) return;
    let left = ms;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") left -= TICK_MS;
      if (left <= 0) dismiss(id);
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [id, ms, held]);
  const hold = () => setHeld(true);
  const release = () => setHeld(false);
  return { onPointerEnter: hold, onPointerLeave: release, onFocus: hold, onBlur: release };
}
