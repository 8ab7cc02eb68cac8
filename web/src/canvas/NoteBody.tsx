import { useState } from "react";
import type { GraphNode } from "../model/document";
import { setValue } from "../model/edits";
import { editDuring, endGesture } from "../store/docs";
import { Markdown } from "../widgets/Markdown";

/** A note that is selected is read with the wheel where it is longer than its node. */
export function NoteBody({ id, node, selected }: { id: string; node: GraphNode; selected: boolean }) {
  const text = String(node.values.text ?? "");
  const [editing, setEditing] = useState(false);
  if (editing || (!text && node.type === "Note")) {
    return (
      <textarea
        className="note-text nodrag nowheel"
        aria-label="Note"
        // biome-ignore lint/a11y/noAutofocus: the person asked to write here
        autoFocus={editing}
        defaultValue={text}
        onChange={(event) => {
          const { value } = event.currentTarget;
          editDuring(`note ${id}`, "edit note", (doc, at) => setValue(doc, at, id, "text", value));
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") event.currentTarget.blur();
        }}
        onBlur={() => {
          endGesture();
          setEditing(false);
        }}
      />
    );
  }
  return (
    <div className={selected ? "note-view grip nowheel" : "note-view grip"} onDoubleClick={() => setEditing(true)}>
      {text ? <Markdown text={text} /> : <p className="hint">Double-click to write</p>}
    </div>
  );
}
