import { GripVertical, Trash2 } from "lucide-react";
import type { PinnedWidget } from "../model/form";
import { labelPin, movePin, togglePin } from "../model/pins";
import { useReorder } from "../panels/useReorder";
import { edit, editDuring, endGesture } from "../store/docs";
import { keepKeys } from "../widgets/WidgetControl";

/** The form's parts in their order: to drag, to name, to take out. */
export function Arrange({ pinned }: { pinned: readonly PinnedWidget[] }) {
  const keys = pinned.map((one) => one.key);
  const sort = useReorder(keys, (key, to) => {
    edit("arrange the form", (doc) => movePin(doc, keys.indexOf(key), to));
    return undefined;
  });
  const shown = sort.order.flatMap((key) => pinned.find((one) => one.key === key) ?? []);
  return (
    <div ref={sort.list}>
      {shown.map(({ pin, key, label }, i) => (
        <div
          key={key}
          data-sort={key}
          className={sort.dragged === key ? "arrange-row dragged" : "arrange-row"}
          onKeyDown={sort.keys(key)}
        >
          <button
            type="button"
            className="icon grip"
            title="Drag, or press up and down, to change its place"
            aria-label={`Move ${label}, place ${i + 1} of ${shown.length}`}
            {...sort.handle(key)}
          >
            <GripVertical size={16} />
          </button>
          <input
            type="text"
            aria-label={`Name of ${pin.widget}`}
            value={pin.label ?? ""}
            placeholder={label}
            onChange={(event) => {
              const name = event.currentTarget.value;
              editDuring(`name ${key}`, "name in the form", (doc) => labelPin(doc, pin.node, pin.widget, name));
            }}
            onBlur={endGesture}
            onKeyDown={(event) => {
              if (!event.altKey) keepKeys(event);
            }}
          />
          <button
            type="button"
            className="icon"
            title="Take out of the form"
            aria-label={`Take ${label} out of the form`}
            onClick={() => edit("take out of the form", (doc) => togglePin(doc, pin.node, pin.widget))}
          >
            <Trash2 size={16} />
          </button>
        </div>
      ))}
      <p role="status" className="unseen">
        {sort.said}
      </p>
    </div>
  );
}
