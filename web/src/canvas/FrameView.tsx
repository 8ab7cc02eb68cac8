import { type NodeProps, NodeResizer } from "@xyflow/react";
import { ChevronDown, ChevronRight } from "lucide-react";
import { memo } from "react";
import type { Frame } from "../model/document";
import { editFrame } from "../model/edits";
import { FOLDED_HEIGHT } from "../model/frames";
import { socketColour } from "../model/types";
import { foldFrames } from "../store/commands";
import { activeTab, edit, editDuring, endGesture } from "../store/docs";
import { useExec } from "../store/exec";
import { useUi } from "../store/ui";
import { FOLDED_IN, FOLDED_OUT, type FrameEnds, type FrameNode } from "./derive";
import { TitleField } from "./TitleField";

export const FrameView = memo(function FrameView({ id, data: { frame, ends }, width, selected }: NodeProps<FrameNode>) {
  const renaming = useUi((state) => state.renamingFrame === frame.id);
  const stop = () => useUi.setState({ renamingFrame: undefined });
  const name = frame.title || "Frame";
  const names = ["frame", selected && "selected", frame.folded && "folded"];
  return (
    <section
      className={names.filter(Boolean).join(" ")}
      style={{ "--frame": frame.color ?? "#3f789e" } as React.CSSProperties}
    >
      {selected && !frame.folded && <Resizer frame={frame} />}
      <header className="frame-title" onDoubleClick={() => useUi.setState({ renamingFrame: frame.id })}>
        <button
          type="button"
          className="icon nodrag"
          aria-expanded={!frame.folded}
          aria-label={frame.folded ? `Unfold ${name}` : `Fold ${name}`}
          title={frame.folded ? "Unfold" : "Fold"}
          onClick={() => foldFrames([frame.id])}
          onDoubleClick={(event) => event.stopPropagation()}
        >
          {frame.folded ? <ChevronRight size={16} /> : <ChevronDown size={16} />}
        </button>
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
          <span>{name}</span>
        )}
        {frame.folded && <Content nodes={frame.folded.nodes} />}
      </header>
      {frame.folded && <Ends id={id} ends={ends} width={width ?? 0} />}
    </section>
  );
});

function Resizer({ frame }: { frame: Frame }) {
  return (
    <NodeResizer
      minWidth={160}
      minHeight={96}
      onResize={(_, { x, y, width, height }) =>
        editDuring(`frame ${frame.id}`, "resize frame", (doc, at) =>
          editFrame(doc, at, frame.id, { x, y, width: Math.round(width), height: Math.round(height) }),
        )
      }
      onResizeEnd={endGesture}
    />
  );
}

/** How many nodes are folded away, or what happens among them. */
function Content({ nodes }: { nodes: readonly string[] }) {
  const tab = activeTab();
  const state = useExec(({ runs }) => {
    const run = runs[tab.id]?.nodes ?? {};
    const states = nodes.map((id) => run[[...tab.view, id].join(":")]?.state);
    return states.includes("error") ? "error" : states.includes("running") ? "running" : undefined;
  });
  return <span className={state ? `chip ${state}` : "chip"}>{state ?? count(nodes.length)}</span>;
}

const count = (nodes: number) => (nodes === 1 ? "1 node" : `${nodes} nodes`);

/** The points that the links of what is folded are drawn to. */
function Ends({ id, ends, width }: { id: string; ends: FrameEnds; width: number }) {
  const sides = [
    { handle: FOLDED_IN, side: "left", type: ends.in, kind: "target", x: 0 },
    { handle: FOLDED_OUT, side: "right", type: ends.out, kind: "source", x: width },
  ];
  return sides.map(({ handle, side, type, kind, x }) =>
    type === undefined ? null : (
      <div
        key={handle}
        className={`far-socket ${kind}`}
        data-handleid={handle}
        data-nodeid={id}
        data-handlepos={side}
        style={{ left: x, top: FOLDED_HEIGHT / 2, color: socketColour(type) }}
      />
    ),
  );
}
