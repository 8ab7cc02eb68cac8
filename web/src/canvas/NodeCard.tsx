import { type NodeProps, NodeResizeControl } from "@xyflow/react";
import { ChevronRight, Ellipsis, Layers, Replace, TriangleAlert } from "lucide-react";
import { type MouseEvent, memo, useContext, useMemo } from "react";
import { BYPASS } from "../model/document";
import { renameNode, resizeNode } from "../model/edits";
import { inputHandle, MIN_WIDTH, outputHandle, type Row } from "../model/layout";
import { titleOf } from "../model/shape";
import { bypassInput } from "../model/sources";
import { substitutes } from "../model/substitute";
import { socketColour } from "../model/types";
import { isNote } from "../model/virtual";
import { openSubgraph, replaceNode } from "../store/commands";
import { activeTab, currentGraph, edit, editDuring, endGesture } from "../store/docs";
import { type NodeRun, useExec } from "../store/exec";
import { useLibrary } from "../store/library";
import { useUi } from "../store/ui";
import { WidgetRow } from "../widgets/WidgetRow";
import { Chip, SpokenProgress } from "./Chip";
import { CategoryIcon, categoryColour } from "./category";
import type { CardData, CardNode } from "./derive";
import { EndRow } from "./EndRow";
import { grabInput } from "./gestures";
import { LevelContext } from "./lod";
import { Media } from "./Media";
import { NoteBody } from "./NoteBody";
import { openMenu } from "./openMenu";
import { Socket } from "./Socket";
import { TitleField } from "./TitleField";

export const NodeCard = memo(function NodeCard({ id, data, selected }: NodeProps<CardNode>) {
  const level = useContext(LevelContext);
  const far = level !== "near";
  const tab = activeTab().id;
  const run = useExec((state) => state.runs[tab]?.nodes[data.path]);
  const { node, shape } = data;
  const names = [
    "card",
    shape.kind,
    far && "far",
    level === "tiny" && "grip",
    selected && "selected",
    node.mode === 2 && "muted",
    node.mode === 4 && "bypassed",
    node.collapsed && "collapsed",
    data.warnings.length > 0 && "warned",
    run?.state,
  ];
  const style = {
    "--cat": categoryColour(shape),
    ...(node.color ? { "--tint": node.color } : {}),
  } as React.CSSProperties;
  return (
    <div className={names.filter(Boolean).join(" ")} style={style} data-node={node.type}>
      {run?.state === "running" && <SpokenProgress run={run} label={data.label} />}
      {shape.kind === "reroute" ? (
        <span className="reroute-dot grip" style={{ color: socketColour(shape.outputs[0]?.type ?? "*") }} />
      ) : null}
      {shape.kind !== "reroute" && !far && <Head id={id} data={data} run={run} />}
      {!far && !node.collapsed && <Body data={data} run={run} id={id} selected={selected} />}
      {far && shape.kind !== "reroute" && <Far data={data} titled={level === "far"} />}
      {level === "near" && node.mode === BYPASS && shape.kind !== "reroute" && <PassThrough data={data} />}
      {level === "near" && <Sockets data={data} />}
      {level === "far" && <FarSockets data={data} />}
      {selected && !node.collapsed && shape.kind !== "reroute" && shape.kind !== "ends" && !far && (
        <NodeResizeControl
          className="resize"
          minWidth={MIN_WIDTH}
          onResize={(_, box) =>
            editDuring(`size ${id}`, "resize", (doc, at) =>
              resizeNode(doc, at, id, Math.round(box.width), Math.max(0, Math.round(box.height - 32))),
            )
          }
          onResizeEnd={endGesture}
        />
      )}
    </div>
  );
});

function Head({ id, data, run }: { id: string; data: CardData; run?: NodeRun }) {
  const { node, shape } = data;
  const renaming = useUi((state) => state.renaming === id);
  const stop = () => useUi.setState({ renaming: undefined });
  return (
    <header
      className="card-head grip"
      onDoubleClick={() => (shape.kind === "subgraph" ? openSubgraph(id) : useUi.setState({ renaming: id }))}
    >
      <CategoryIcon shape={shape} />
      {renaming ? (
        <TitleField
          value={titleOf(node, shape)}
          label="Node title"
          onDone={(title) => {
            if (title !== undefined && title !== titleOf(node, shape))
              edit("rename", (doc, at) => renameNode(doc, at, id, title));
            stop();
          }}
        />
      ) : (
        <h3 title={shape.description || undefined}>{titleOf(node, shape)}</h3>
      )}
      {data.warnings.length > 0 && run?.state !== "error" && (
        <span className="warning" role="img" title={data.warnings.join("\n")} aria-label={data.warnings.join(" ")}>
          <TriangleAlert size={14} />
        </span>
      )}
      <Chip run={run} mode={node.mode} path={data.path} />
      {shape.kind === "unknown" && <Substitute id={id} data={data} />}
      {shape.kind === "subgraph" && (
        <button
          type="button"
          className="icon nodrag"
          title="Open the subgraph"
          aria-label="Open the subgraph"
          onClick={() => openSubgraph(id)}
        >
          <Layers size={14} />
        </button>
      )}
      <button
        type="button"
        className="icon actions nodrag"
        tabIndex={-1}
        title="Actions"
        aria-label="Actions"
        onClick={(event) => openMenu(event, { node: id })}
      >
        <Ellipsis size={14} />
      </button>
    </header>
  );
}

/** One click makes a node that is not known here the likest one that is; the menu offers others. */
function Substitute({ id, data }: { id: string; data: CardData }) {
  const { catalogue } = useLibrary.getState();
  const [best] = useMemo(() => substitutes(data.node, catalogue, 1), [data.node, catalogue]);
  if (!best) return null;
  return (
    <button
      type="button"
      className="icon nodrag"
      title={`Replace with ${best.title}`}
      aria-label={`Replace with ${best.title}`}
      onClick={() => replaceNode(id, best)}
    >
      <Replace size={14} />
    </button>
  );
}

function Body({ id, data, run, selected }: { id: string; data: CardData; run?: NodeRun; selected: boolean }) {
  const { node, shape, layout } = data;
  if (isNote(node.type)) return <NoteBody id={id} node={node} selected={selected} />;
  return (
    <div className="card-body">
      {run?.state === "running" && run.max ? (
        <i className="bar" style={{ transform: `scaleX(${(run.value ?? 0) / run.max})` }} />
      ) : null}
      {layout.rows.map((row) => (
        <RowView key={rowKey(row)} id={id} row={row} data={data} run={run} />
      ))}
      {shape.kind === "unknown" && !layout.rows.length && <p className="hint">{shape.description}</p>}
    </div>
  );
}

function rowKey(row: Row): string {
  if (row.kind === "widget") return row.widget.name;
  return row.kind === "sockets" ? `s${row.y}` : row.kind;
}

function RowView({ id, row, data, run }: { id: string; row: Row; data: CardData; run?: NodeRun }) {
  const { shape, node } = data;
  const style = { top: row.y, height: row.height };
  if (row.kind === "sockets") {
    const output = row.output === undefined ? undefined : shape.outputs[row.output];
    if (shape.kind === "ends") return <EndSocket row={row} style={style} />;
    return (
      <div className="row sockets" style={style}>
        <span className="in-label">{row.input?.label}</span>
        <span className="out-label">{output?.name}</span>
      </div>
    );
  }
  if (row.kind === "widget") return <WidgetRow id={id} row={row} data={data} style={style} />;
  if (row.kind === "more") {
    return (
      <button
        type="button"
        className={data.unfolded ? "row more open nodrag" : "row more nodrag"}
        style={style}
        onClick={() => unfold(id)}
      >
        <ChevronRight size={12} /> {data.unfolded ? "Less" : `${row.count} more`}
      </button>
    );
  }
  if (row.kind === "media") return <Media node={node} shape={shape} path={data.path} style={style} />;
  return <Message run={run} style={style} title={titleOf(node, shape)} />;
}

/** A row of a subgraph's end: the last one is the socket that makes another. */
function EndSocket({ row, style }: { row: Extract<Row, { kind: "sockets" }>; style: React.CSSProperties }) {
  const { doc, at } = currentGraph();
  const definition = doc.subgraphs.get(at);
  const side = row.input ? "out" : "in";
  const port = row.input
    ? definition?.outputs.find((one) => one.id === row.input?.name)
    : definition?.inputs[row.output ?? -1];
  const label = port ? <EndRow graph={at} side={side} port={port} /> : "new";
  return (
    <div className="row sockets" style={style}>
      <span className="in-label">{side === "out" && label}</span>
      <span className="out-label">{side === "in" && label}</span>
    </div>
  );
}

function unfold(id: string): void {
  useUi.setState(({ unfolded }) => {
    const next = new Set(unfolded);
    if (!next.delete(id)) next.add(id);
    return { unfolded: next };
  });
}

function Message({ run, style, title }: { run?: NodeRun; style: React.CSSProperties; title: string }) {
  if (!run?.message) return null;
  const { message, trace } = run;
  return (
    <div className="row message nodrag" role="alert" style={style} title={message}>
      <p>{message}</p>
      {trace?.length ? (
        <button
          type="button"
          onClick={() => useUi.setState({ trace: { title: `${title}: ${message}`, lines: trace } })}
        >
          Show trace
        </button>
      ) : null}
    </div>
  );
}

/** The handles stay mounted however far one zooms out: links to unmounted handles would not be drawn. */
function Sockets({ data }: { data: CardData }) {
  const { shape, layout, linked, node } = data;
  const grab = (event: MouseEvent, handle: string) => grabInput(event, node.id, handle);
  return layout.handles.map((handle) => {
    const name = handle.id.slice(2);
    const input = handle.side === "in" ? shape.inputs.find((one) => one.name === name) : undefined;
    const output = handle.side === "out" ? shape.outputs[Number(name)] : undefined;
    const isLinked = handle.side === "in" && linked.has(name);
    return (
      <Socket
        key={handle.id}
        at={handle}
        filled={isLinked || handle.side === "out"}
        optional={input?.optional ?? false}
        wanting={Boolean(input && !input.optional && !isLinked && node.mode === 0)}
        pip={Boolean(input?.widget) || node.collapsed}
        label={input?.label ?? output?.name ?? ""}
        onGrab={grab}
      />
    );
  });
}

const SAG = 11;

/** What goes through a node that is bypassed: from the input of its type to each output. */
function PassThrough({ data: { shape, layout } }: { data: CardData }) {
  const { width, height, handles } = layout;
  const at = (id: string) => handles.find((one) => one.id === id);
  return (
    <svg className="pass-through" width={width} height={height} aria-hidden="true">
      {shape.outputs.map((output, slot) => {
        const input = bypassInput(shape, output.type, { slot, wanted: output.type });
        const [from, to] = [input && at(inputHandle(input.name)), at(outputHandle(slot))];
        if (!from || !to) return null;
        // Bowed, so that it strikes through no label.
        const [a, b] = [`${from.x + 24},${from.y + SAG}`, `${to.x - 24},${to.y + SAG}`];
        return (
          <path
            key={to.id}
            d={`M${from.x},${from.y} C${a} ${a} ${from.x + 48},${from.y + SAG} L${to.x - 48},${to.y + SAG} C${b} ${b} ${to.x},${to.y}`}
            stroke={socketColour(output.type)}
          />
        );
      })}
    </svg>
  );
}

/** The points that links are drawn to, without what makes them handles: nothing is linked from so far away. */
function FarSockets({ data }: { data: CardData }) {
  const { layout, linked, node } = data;
  return layout.handles
    .filter((handle) => handle.side === "out" || linked.has(handle.id.slice(2)))
    .map((handle) => (
      <div
        key={handle.id}
        className={handle.side === "in" ? "far-socket target" : "far-socket source"}
        data-handleid={handle.id}
        data-nodeid={node.id}
        data-handlepos={handle.side === "in" ? "left" : "right"}
        style={{ left: handle.x, top: handle.y, color: socketColour(handle.type) }}
      />
    ));
}

/** A title that keeps its size on the screen, and the last picture. */
function Far({ data, titled }: { data: CardData; titled: boolean }) {
  const media = data.layout.rows.find((row) => row.kind === "media");
  if (!titled && !media) return null;
  return (
    <div className="far-body grip">
      {titled && <span className="far-title">{titleOf(data.node, data.shape)}</span>}
      {media && (
        <Media node={data.node} shape={data.shape} path={data.path} style={{ top: media.y, height: media.height }} />
      )}
    </div>
  );
}
