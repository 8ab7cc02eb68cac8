import {
  type Connection,
  ConnectionMode,
  type EdgeChange,
  type NodeChange,
  PanOnScrollMode,
  ReactFlow,
  type ReactFlowInstance,
  SelectionMode,
  useStore,
  useStoreApi,
  useUpdateNodeInternals,
} from "@xyflow/react";
import { useEffect, useMemo, useRef } from "react";
import { useShallow } from "zustand/react/shallow";
import { type NodeId, withSubgraph } from "../model/document";
import { addNode, addReroute, editFrame, extractNodes, insertSockets, moveNodes, type Point } from "../model/edits";
import { contentOf, shiftPart } from "../model/frames";
import { makeShake } from "../model/guides";
import { HEADER, inputHandle, outputHandle } from "../model/layout";
import { moveDots } from "../model/reroutes";
import { placedNode } from "../model/shape";
import { socketColour } from "../model/types";
import { activeTab, currentGraph, docOf, edit, editDuring, endGesture, graphIdOf, useDocs } from "../store/docs";
import { runOf, useExec } from "../store/exec";
import { loadResult, openFile } from "../store/files";
import { fitView, holdFlow, notePointer, placeAt, theFlow } from "../store/focus";
import { useLibrary } from "../store/library";
import { type Linking, useUi } from "../store/ui";
import { alignDrag, beginAligning, endAligning } from "./aligning";
import { DotView } from "./DotView";
import {
  type AnyNode,
  DOT,
  dotNumber,
  frameNumber,
  isFrameId,
  type LinkEdge,
  makeDeriver,
  makeEdgeDeriver,
} from "./derive";
import { FrameView } from "./FrameView";
import { Grid } from "./Grid";
import { Guides } from "./Guides";
import { dropLink, endsOf, insertInto, link, linkingStyle, linkToBody, takeMoved, verdict } from "./gestures";
import { Hints } from "./Hints";
import { hintAt } from "./hints";
import { LinkView, linkPath } from "./Link";
import { type Level, LevelContext, levelAt, TRACED } from "./lod";
import { beginLongPress } from "./longPress";
import { Minimap } from "./Minimap";
import { beginMarquee, drawsMarquee, withMarquee } from "./marquee";
import { NodeCard } from "./NodeCard";
import { TinyLinks } from "./TinyLinks";

// What React Flow is given must be the same object each time: whatever is new makes all its nodes look again.
const nodeTypes = { card: NodeCard, frame: FrameView, dot: DotView };
const edgeTypes = { link: LinkView };
const GRID: [number, number] = [16, 16];
const MIDDLE_BUTTON = [1];
const ADD_KEYS = ["Shift", "Control", "Meta"];
const PRO = { hideAttribution: true };
const NO_EDGES: LinkEdge[] = [];

export function Canvas() {
  const tab = useDocs((state) => activeTab(state));
  const catalogue = useLibrary((state) => state.catalogue);
  const { selection, frames, links, unfolded, linking, minimap, snap, trackpad } = useUi(
    useShallow(({ selection, frames, links, unfolded, linking, minimap, snap, trackpad }) => ({
      selection,
      frames,
      links,
      unfolded,
      linking,
      minimap,
      snap,
      trackpad,
    })),
  );
  const free = useUi((state) => state.free);
  const run = useExec((state) => runOf(state, tab.id));
  const derive = useMemo(makeDeriver, []);
  const deriveEdges = useMemo(makeEdgeDeriver, []);
  const at = graphIdOf(tab);
  const doc = docOf(tab);
  const around = useMemo(() => currentGraph(tab), [tab]);
  const prefix = tab.view.map((id) => `${id}:`).join("");
  const shown = useShown(run);
  const nodes = useMemo(
    () => derive({ around: { ...around, catalogue }, at, prefix, selection, frames, unfolded, run: shown }),
    [derive, around, catalogue, at, prefix, selection, frames, unfolded, shown],
  );
  const edges = useMemo(
    () => deriveEdges({ ...around, catalogue }, at, links, linking?.moved),
    [deriveEdges, around, catalogue, at, links, linking?.moved],
  );
  const drag = useMemo(makeNodeDrag, []);
  const linkDrag = useMemo(makeLinkDrag, []);
  const level = useStore((state) => levelAt(state.transform[2]));
  const traced = useStore((state) => state.transform[2] < TRACED);
  useHandlesAgain(level);
  const view = `${tab.id} ${tab.view.join(":")}`;
  const flow = useRef<Flow>(undefined);
  const hold = useMemo(() => holdIn(flow), []);
  useViewports(view, flow);
  return (
    <div
      className={["canvas", level, linking && "linking"].filter(Boolean).join(" ")}
      onPointerMove={(event) => {
        notePointer({ x: event.clientX, y: event.clientY });
        if (event.altKey !== free) useUi.setState({ free: event.altKey });
        if (linking) hintAt(event.target as Element);
        drag.over({ x: event.clientX, y: event.clientY });
      }}
      onPointerOver={(event) => hintAt(event.target as Element)}
      onPointerDownCapture={(event) => {
        beginMarquee(event);
        beginLongPress(event);
      }}
      onDoubleClick={(event) => {
        if (!(event.target as Element).classList.contains("react-flow__pane")) return;
        const screen = { x: event.clientX, y: event.clientY };
        useUi.setState({ search: { screen, place: placeAt(screen) } });
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => drop(event)}
    >
      <Hints />
      {linking && <style>{linkingStyle(linking, typesOf(nodes))}</style>}
      <LevelContext value={level}>
        <ReactFlow<AnyNode, LinkEdge>
          aria-label={`Workflow ${tab.name}, ${doc.root.nodes.size} nodes`}
          nodes={nodes}
          edges={traced ? NO_EDGES : edges}
          nodeTypes={nodeTypes}
          edgeTypes={edgeTypes}
          onInit={hold}
          onNodesChange={applyChanges}
          onEdgesChange={selectEdges}
          onNodeDragStart={drag.start}
          onNodeDrag={drag.move}
          onNodeDragStop={drag.stop}
          onSelectionDragStart={drag.start}
          onSelectionDragStop={drag.stop}
          onConnectStart={linkDrag.start}
          onConnect={linkDrag.connect}
          onConnectEnd={linkDrag.end}
          isValidConnection={isValid}
          onEdgeDoubleClick={reroute}
          onNodeContextMenu={nodeMenu}
          onEdgeContextMenu={edgeMenu}
          onPaneContextMenu={paneMenu}
          connectionLineComponent={GhostLink}
          connectionMode={ConnectionMode.Strict}
          connectionRadius={24}
          onlyRenderVisibleElements
          selectionOnDrag
          selectionMode={SelectionMode.Partial}
          selectionKeyCode={null}
          multiSelectionKeyCode={ADD_KEYS}
          deleteKeyCode={null}
          panActivationKeyCode="Space"
          panOnDrag={MIDDLE_BUTTON}
          panOnScroll={trackpad}
          panOnScrollMode={PanOnScrollMode.Free}
          zoomOnDoubleClick={false}
          minZoom={0.05}
          maxZoom={2.5}
          snapToGrid={snap && !free}
          snapGrid={GRID}
          nodeDragThreshold={2}
          edgesReconnectable={false}
          edgesFocusable={false}
          elevateNodesOnSelect={false}
          disableKeyboardA11y
          proOptions={PRO}
        >
          <Grid />
          <Guides />
          <ZoomVariable />
          {traced && <TinyLinks nodes={nodes} edges={edges} />}
        </ReactFlow>
      </LevelContext>
      {minimap && nodes.length > 0 && <Minimap nodes={nodes} tab={tab.id} />}
    </div>
  );
}

/** Only what changes a node's size; progress must not make the whole list of nodes anew. */
function useShown(run: ReturnType<typeof runOf>) {
  const messages = Object.entries(run.nodes)
    .filter(([, node]) => node.message !== undefined)
    .map(([id]) => id)
    .join(" ");
  const states = Object.entries(run.nodes)
    .map(([id, node]) => `${id}${node.state}`)
    .join(" ");
  return useMemo(() => run, [run.images, run.aspects, run.texts, messages, states]);
}

type Flow = ReactFlowInstance<AnyNode, LinkEdge>;

const holdIn = (flow: React.RefObject<Flow | undefined>) => (instance: Flow) => {
  flow.current = instance;
  holdFlow(instance as unknown as ReactFlowInstance);
  requestAnimationFrame(() => fitView());
};

/** Each graph keeps where one looked at it. */
function useViewports(view: string, flow: React.RefObject<Flow | undefined>): void {
  const kept = useRef(new Map<string, { x: number; y: number; zoom: number }>());
  const last = useRef(view);
  useEffect(() => {
    const instance = flow.current;
    if (!instance || last.current === view) return;
    const known = kept.current.get(view);
    last.current = view;
    if (known) void instance.setViewport(known);
    else requestAnimationFrame(() => fitView());
  }, [view, flow]);
  useEffect(() => {
    const timer = setInterval(() => {
      const instance = flow.current;
      if (instance) kept.current.set(last.current, instance.getViewport());
    }, 500);
    return () => clearInterval(timer);
  }, [flow]);
}

/**
 * Far away most handles are not drawn: of a node that was measured there, they are read again when one comes nearer.
 * Only of those: each reading is of every handle's place on the screen.
 */
function useHandlesAgain(level: Level): void {
  const update = useUpdateNodeInternals();
  const store = useStoreApi<AnyNode>();
  useEffect(() => {
    if (level === "tiny") return;
    const { nodeLookup } = store.getState();
    const lacking = [...document.querySelectorAll<HTMLElement>(".react-flow__node-card")].flatMap(({ dataset }) => {
      const node = dataset.id === undefined ? undefined : nodeLookup.get(dataset.id);
      const { source, target } = node?.internals.handleBounds ?? {};
      const known = (source?.length ?? 0) + (target?.length ?? 0);
      return node && known < (node.handles?.length ?? 0) ? [node.id] : [];
    });
    if (lacking.length) update(lacking);
  }, [level, update, store]);
}

/** Tells the styles how far away one is, so that titles keep their size on the screen. In steps, and only where there are
 * titles: each one costs a look at every element. */
function ZoomVariable() {
  const store = useStoreApi();
  useEffect(() => {
    let told = "";
    const tell = (zoom: number) => {
      const rounded = Math.exp(
        Math.round(Math.log(Math.min(Math.max(zoom, 0.2), 0.5)) * ZOOM_STEPS) / ZOOM_STEPS,
      ).toFixed(3);
      if (rounded === told) return;
      told = rounded;
      document.querySelector<HTMLElement>(".canvas")?.style.setProperty("--zoom", rounded);
    };
    tell(store.getState().transform[2]);
    return store.subscribe((state) => tell(state.transform[2]));
  }, [store]);
  return null;
}

const ZOOM_STEPS = 6;

function typesOf(nodes: readonly AnyNode[]): Set<string> {
  const types = new Set<string>();
  for (const node of nodes)
    if (node.type === "card") for (const handle of node.data.layout.handles) types.add(handle.type);
  return types;
}

function applyChanges(changes: readonly NodeChange<AnyNode>[]): void {
  selectNodes(changes);
  const asked = new Map<NodeId, Point>();
  const frames = new Map<number, Point>();
  const dots = new Map<number, Point>();
  let dragging = false;
  for (const change of changes) {
    if (change.type !== "position" || !change.position) continue;
    dragging ||= change.dragging === true;
    const point = { x: Math.round(change.position.x), y: Math.round(change.position.y) };
    const dot = dotNumber(change.id);
    if (isFrameId(change.id)) frames.set(frameNumber(change.id), point);
    else if (dot !== undefined) dots.set(dot, { x: point.x + DOT / 2, y: point.y + DOT / 2 });
    else asked.set(change.id, { x: point.x, y: point.y + HEADER });
  }
  const places = frames.size ? asked : alignDrag(asked);
  if (!places.size && !frames.size && !dots.size) return;
  editDuring("move", "move", (doc, at) => {
    let next = moveNodes(doc, at, places);
    next = moveEnds(next, at, places);
    if (dots.size) next = moveDots(next, at, dots);
    const moved = { nodes: new Set(places.keys()), frames: new Set(frames.keys()) };
    for (const [id, point] of frames) next = moveFrame(next, at, id, point, moved);
    return next;
  });
  if (!dragging) endGesture();
}

type Doc = ReturnType<typeof docOf>;

function moveEnds(doc: Doc, at: string, places: ReadonlyMap<NodeId, Point>): Doc {
  const definition = doc.subgraphs.get(at);
  if (!definition) return doc;
  let next = definition;
  for (const [id, point] of places) {
    const side = id === "-10" ? "inputNode" : id === "-20" ? "outputNode" : undefined;
    if (side) next = { ...next, [side]: { ...next[side], bounding: [point.x, point.y, 180, 100] } };
  }
  return next === definition ? doc : withSubgraph(doc, next);
}

/** What was in each frame when its drag began: nodes on the way must not be picked up. */
const carried = new Map<number, ReturnType<typeof contentOf>>();

interface Moved {
  readonly nodes: Set<NodeId>;
  readonly frames: Set<number>;
}

/** Moves a frame with what is in it and was not moved yet. */
function moveFrame(doc: Doc, at: string, id: number, to: Point, moved: Moved): Doc {
  const around = currentGraph();
  const frame = around.graph.frames.get(id);
  if (!frame) return doc;
  const inside = carried.get(id) ?? contentOf(frame, around);
  carried.set(id, inside);
  const rest = {
    nodes: new Set(inside.nodes.filter((one) => !moved.nodes.has(one))),
    frames: new Set(inside.frames.filter((one) => !moved.frames.has(one))),
  };
  for (const one of rest.nodes) moved.nodes.add(one);
  for (const one of rest.frames) moved.frames.add(one);
  const next = shiftPart(doc, at, rest, { x: to.x - frame.x, y: to.y - frame.y });
  return editFrame(next, at, id, to);
}

function selectNodes(changes: readonly NodeChange<AnyNode>[]): void {
  const chosen = changes.filter((change) => change.type === "select");
  if (!chosen.length) return;
  useUi.setState((state) => {
    const selection = new Set(state.selection);
    const frames = new Set(state.frames);
    for (const change of chosen) {
      if (isFrameId(change.id)) {
        if (drawsMarquee()) continue;
        change.selected ? frames.add(frameNumber(change.id)) : frames.delete(frameNumber(change.id));
      } else change.selected ? selection.add(change.id) : selection.delete(change.id);
    }
    return { selection: withMarquee(selection), frames };
  });
}

function selectEdges(changes: readonly EdgeChange<LinkEdge>[]): void {
  const chosen = changes.filter((change) => change.type === "select");
  if (!chosen.length) return;
  useUi.setState((state) => {
    const links = new Set(state.links);
    for (const change of chosen) {
      const id = Number(change.id.slice(2));
      if (change.selected) links.add(id);
      else links.delete(id);
    }
    return { links };
  });
}

function isValid(connection: Connection | LinkEdge): boolean {
  if (!connection.sourceHandle || !connection.targetHandle) return false;
  const ends = {
    from: connection.source,
    slot: Number(connection.sourceHandle.slice(2)),
    to: connection.target,
    input: connection.targetHandle.slice(2),
  };
  return verdict(ends).ok;
}

/** Dragging a lone node over a link offers to put it in. */
function makeNodeDrag() {
  let shaken = makeShake();
  let lone: string | undefined;
  const mark = (inserting: ReturnType<typeof insertingAt>) => {
    if (inserting || useUi.getState().inserting) useUi.setState({ inserting });
  };
  return {
    start: (_event: unknown, node?: AnyNode | readonly AnyNode[], list?: readonly AnyNode[]) => {
      carried.clear();
      endGesture();
      const dragged = list ?? (Array.isArray(node) ? (node as readonly AnyNode[]) : []);
      beginAligning(new Set(dragged.map((one) => one.id)));
      shaken = makeShake();
    },
    move: (event: MouseEvent | TouchEvent | React.MouseEvent, node: AnyNode, list: readonly AnyNode[]) => {
      lone = list.length === 1 && node.type === "card" ? node.id : undefined;
      if (lone === undefined || !("clientX" in event)) return;
      if (shaken(event.clientX, event.timeStamp)) takeOut(node.id);
      mark(insertingAt({ x: event.clientX, y: event.clientY }, node));
    },
    /** The pointer moves more often than a node that goes from line to line of the grid. */
    over: (point: Point) => {
      const node = lone === undefined ? undefined : theFlow()?.getNode(lone);
      if (node) mark(insertingAt(point, node as AnyNode));
    },
    stop: (_event: unknown, node?: unknown) => {
      lone = undefined;
      endGesture();
      endAligning();
      carried.clear();
      const { inserting } = useUi.getState();
      mark(undefined);
      if (inserting && node) insertInto((node as AnyNode).id, inserting.link);
    },
  };
}

/** Shaking a node takes it out of the flow: part of the same step as the drag. */
function takeOut(id: NodeId): void {
  editDuring("move", "shake out", (doc, at) => extractNodes(doc, at, [id]));
}

/** The link under the pointer that takes the node, with the sockets that it would be led through. */
function insertingAt(point: Point, node: AnyNode) {
  const hit = document.elementsFromPoint(point.x, point.y).find((element) => element.closest(".react-flow__edge"));
  const id = hit?.closest(".react-flow__edge")?.getAttribute("data-id");
  if (!id || node.type !== "card") return undefined;
  const link = Number(id.slice(2));
  const sockets = insertSockets(currentGraph(), node.id, link);
  const socketAt = (handle: string) => {
    const found = node.data.layout.handles.find((one) => one.id === handle);
    return found && { x: node.position.x + found.x, y: node.position.y + found.y };
  };
  const into = sockets && socketAt(inputHandle(sockets.input));
  const out = sockets && socketAt(outputHandle(sockets.output));
  return into && out ? { link, into, out } : undefined;
}

function makeLinkDrag() {
  let done = false;
  return {
    start: (_event: unknown, from: { nodeId: string | null; handleId: string | null; handleType: string | null }) => {
      done = false;
      if (!from.nodeId || !from.handleId) return;
      useUi.setState({ linking: linkingFrom(from.nodeId, from.handleId, from.handleType === "source" ? "out" : "in") });
    },
    connect: (connection: Connection) => {
      done = true;
      const { linking } = useUi.getState();
      if (!connection.sourceHandle || !connection.targetHandle) return;
      const ends = {
        from: connection.source,
        slot: Number(connection.sourceHandle.slice(2)),
        to: connection.target,
        input: connection.targetHandle.slice(2),
      };
      link(ends, linking?.moved);
    },
    end: (event: MouseEvent | TouchEvent) => {
      const { linking } = useUi.getState();
      useUi.setState({ linking: undefined, hint: undefined });
      if (!linking || done) return;
      const point = "changedTouches" in event ? event.changedTouches[0] : event;
      if (point) dropOn(linking, { x: point.clientX, y: point.clientY });
    },
  };
}

export function linkingFrom(node: NodeId, handle: string, side: "in" | "out"): Linking | undefined {
  const around = currentGraph();
  const found = placedNode(around, around.at, node);
  const name = handle.slice(2);
  const type =
    side === "out"
      ? found?.shape.outputs[Number(name)]?.type
      : found?.shape.inputs.find((one) => one.name === name)?.type;
  return type === undefined ? undefined : { node, handle, side, type, moved: side === "out" ? takeMoved() : undefined };
}

function dropOn(linking: Linking, screen: Point): void {
  const target = document.elementFromPoint(screen.x, screen.y);
  const socket = target?.closest<HTMLElement>(".react-flow__handle");
  const node = target?.closest<HTMLElement>(".react-flow__node")?.dataset.id;
  if (socket?.dataset.nodeid && socket.dataset.handleid && socket.dataset.side !== linking.side) {
    link(endsOf(linking, { node: socket.dataset.nodeid, handle: socket.dataset.handleid }), linking.moved);
    return;
  }
  if (node && !isFrameId(node) && node !== linking.node) {
    linkToBody(linking, node);
    return;
  }
  if (linking.moved !== undefined) {
    dropLink(linking.moved);
    return;
  }
  if (!target?.closest(".canvas") || node === linking.node) return;
  useUi.setState({ search: { screen, place: placeAt(screen), from: linking } });
}

function GhostLink({ fromX, fromY, toX, toY }: { fromX: number; fromY: number; toX: number; toY: number }) {
  const linking = useUi((state) => state.linking);
  const out = linking?.side !== "in";
  const ends = out
    ? { sourceX: fromX, sourceY: fromY, targetX: toX, targetY: toY }
    : { sourceX: toX, sourceY: toY, targetX: fromX, targetY: fromY };
  return <path className="ghost" d={linkPath(ends)} style={{ stroke: socketColour(linking?.type ?? "*") }} />;
}

function reroute(event: React.MouseEvent, edge: LinkEdge): void {
  const id = edge.data?.link.id;
  const point = placeAt({ x: event.clientX, y: event.clientY });
  if (id !== undefined)
    edit("reroute", (doc, at) => addReroute(doc, at, id, { x: point.x - 24, y: point.y + HEADER - 12 })[0]);
}

const nodeMenu = (event: React.MouseEvent, node: AnyNode) =>
  openMenu(event, isFrameId(node.id) ? { frame: frameNumber(node.id) } : { node: node.id });
const edgeMenu = (event: React.MouseEvent, edge: LinkEdge) => openMenu(event, { link: edge.data?.link.id });
const paneMenu = (event: React.MouseEvent | MouseEvent) => openMenu(event, {});

function openMenu(event: React.MouseEvent | MouseEvent, on: { node?: NodeId; link?: number; frame?: number }): void {
  event.preventDefault();
  const screen = { x: event.clientX, y: event.clientY };
  if (on.node && !useUi.getState().selection.has(on.node)) useUi.setState({ selection: new Set([on.node]) });
  useUi.setState({ menu: { screen, place: placeAt(screen), ...on } });
}

function drop(event: React.DragEvent): void {
  event.preventDefault();
  const at = { x: event.clientX, y: event.clientY };
  const result = event.dataTransfer.getData("application/x-sfumato-image");
  if (result) {
    void loadResult(JSON.parse(result), at);
    return;
  }
  const node = event.dataTransfer.getData("application/x-sfumato-node");
  if (node) {
    dropNode(node, at);
    return;
  }
  for (const file of event.dataTransfer.files) void openFile(file, { asImage: event.altKey, at });
}

function dropNode(type: string, screen: Point): void {
  const place = placeAt(screen);
  edit("add node", (doc, at) => addSnapped(doc, at, type, place));
}

function addSnapped(doc: Doc, at: string, type: string, place: Point): Doc {
  const [next, id] = addNode(doc, at, type, { x: Math.round(place.x / 16) * 16, y: Math.round(place.y / 16) * 16 });
  useUi.setState({ selection: new Set([id]) });
  return next;
}
