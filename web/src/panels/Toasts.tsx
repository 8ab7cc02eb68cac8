import { X } from "lucide-react";
import { dismiss, useUi } from "../store/ui";

export function Toasts() {
  const toasts = useUi((state) => state.toasts);
  return (
    <section className="toasts" aria-label="Messages">
      {toasts.map((one) => (
        <div key={one.id} className={`toast ${one.kind}`} role={one.kind === "error" ? "alert" : "status"}>
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
      ))}
    </section>
  );
}
