import { X } from "lucide-react";
import { useUi } from "../store/ui";
import { stopLinking } from "./tapping";

/** Says that a link was begun by a click, and how to end it. */
export function LinkingNote() {
  const type = useUi(({ linking }) => (linking?.tapped ? linking.type : undefined));
  if (type === undefined) return null;
  return (
    <p className="linking-note" role="status">
      <span>
        Choose what to link <b>{type === "*" ? "it" : type}</b> to
      </span>
      <button
        type="button"
        className="icon"
        aria-label="Do not link"
        title="Do not link (Escape)"
        onClick={stopLinking}
      >
        <X size={14} />
      </button>
    </p>
  );
}
