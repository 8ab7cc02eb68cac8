import { X } from "lucide-react";
import { useState } from "react";
import type { GraphId, Port } from "../model/document";
import { type PortSide, removePort, renamePort } from "../model/ports";
import { edit } from "../store/docs";
import { TitleField } from "./TitleField";

interface Props {
  readonly graph: GraphId;
  readonly side: PortSide;
  readonly port: Port;
}

/** A socket at a subgraph's end, seen from inside: double-click renames it, the cross takes it away. */
export function EndRow({ graph, side, port }: Props) {
  const [renaming, setRenaming] = useState(false);
  const label = port.label ?? port.name;
  if (renaming)
    return (
      <TitleField
        value={label}
        label="Name of the socket"
        onDone={(text) => {
          setRenaming(false);
          if (text !== undefined && text !== label)
            edit("rename socket", (doc) => renamePort(doc, graph, side, port.id, text));
        }}
      />
    );
  return (
    <span className="end-row nodrag">
      <button
        type="button"
        className="plain"
        title="Rename (double-click)"
        onDoubleClick={() => setRenaming(true)}
        onKeyDown={(event) => event.key === "Enter" && setRenaming(true)}
      >
        {label}
      </button>
      <button
        type="button"
        className="icon"
        title="Remove this socket"
        aria-label={`Remove the socket ${label}`}
        onClick={() => edit("remove socket", (doc) => removePort(doc, graph, side, port.id))}
      >
        <X size={12} />
      </button>
    </span>
  );
}
