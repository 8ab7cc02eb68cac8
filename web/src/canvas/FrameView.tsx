import { type NodeProps, NodeResizer } from "@xyflow/react";
import { memo } from "react";
import { editFrame } from "../model/edits";
import { edit, editDuring, endGesture } from "../store/docs";
import { useUi } from "../store/ui";
import type { FrameNode } from "./derive";
import { TitleField } from "./TitleField";

export const FrameView = memo(function FrameView({ data: { frame }, selected }: NodeProps<FrameNode>) {
  const renaming = useUi((state) => state.renamingFrame === frame.id);
  const stop = () => useUi.setState({ renamingFrame: undefined });
  return (
    <section
      className={selected ? "frame selected" : "frame"}
      style={{ "--frame": frame.color ?? "#3f789e" } as React.CSSProperties}
    >
      {selected && (
        <NodeResizer
          minWidth={160}
          minHeight={96}
          onResize={(_, box) =>
            editDuring(`frame ${frame.id}`, "resize frame", (doc, at) =>
              editFrame(doc, at, frame.id, {
                x: box.x,
                y: box.y,
                width: Math.round(box.width),
                height: Math.round(box.height),
              }),
            )
          }
          onResizeEnd={endGesture}
        />
      )}
      <header className="frame-title" onDoubleClick={() => useUi.setState({ renamingFrame: frame.id })}>
        {renaming ? (
          <TitleField
            value={frame.title}
            label="Frame title"
            onDone={(title) => {
              if (title !== undefined) edit("rename frame", (doc, at) => editFrame(doc, at, frame.id, { title }));
              stop();
            }}
          />
        ) : (
          frame.title || "Frame"
        )}
      </header>
    </section>
  );
});
