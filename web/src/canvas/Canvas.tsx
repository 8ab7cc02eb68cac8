import {
  ConnectionMode,
  PanOnScrollMode,
  ReactFlow,
  type ReactFlowInstance,
  SelectionMode,
  useKeyPress,
  useStore,
  useStoreApi,
  useUpdateNodeInternals,
} from "@xyflow/react";
import { lazy, Suspense, useEffect, useLayoutEffect, useMemo, useRef } from "react";
import { useShallow } from "zustand/react/shallow";
import { linkPath } from "../model/curves";
import type { Doc } from "../model/document";
import { addNode, type Point } from "../model/edits";
import { socketColour } from "../model/types";
import { LEAST_ZOOM, MOST_ZOOM } from "../model/view";
import { isTrackpad } from "../model/wheel";
import { Coming } from "../panels/Coming";
import { activeTab, currentGraph, docOf, edit, graphIdOf, useDocs } from "../store/docs";
import { runOf, useExec } from "../store/exec";
import { loadResult, openFile } from "../store/files";
import { holdFlow, notePointer, placeAt, showFirst } from "../store/focus";
import { useLibrary } from "../store/library";
import { rerouteAt } from "../store/links";
import { useUi } from "../store/ui";
import { DotView } from "./DotView";
import { type AnyNode, frameNumber, isFrameId, type LinkEdge, makeDeriver } from "./derive";
import { makeEdgeDeriver } from "./deriveEdges";
import { FrameView } from "./FrameView";
import { Grid } from "./Grid";
import { Guides } from "./Guides";
import { linkingStyle } from "./gestures";
import { Hints } from "./Hints";
import { hintAt } from "./hints";
import { beginKnife } from "./knife";
import { LinkView } from "./Link";
import { LinkingNote } from "./LinkingNote";
import { isValid, makeLinkDrag } from "./linking";
import { type Level, LevelContext, levelAt, TRACED } from "./lod";
import { beginLongPress } from "./longPress";
import { beginMarquee } from "./marquee";
import { applyChanges, makeNodeDrag } from "./moving";
import { NodeCard } from "./NodeCard";
import { openMenu } from "./openMenu";
import { selectEdges } from "./selecting";
import { TinyLinks } from "./TinyLinks";
import { tap } from "./tapping";

const EverywhereLinks = lazy(() => import("./EverywhereLinks"));
const Minimap = lazy(() => import("./Minimap"));
const NodeHelp = lazy(() => import("./NodeHelp"));

// What React Flow is given must be the same object each time: whatever is new makes all its nodes look again.
const nodeTypes = { card: NodeCard, frame: FrameView, dot: DotView };
const edgeTypes = { link: LinkView };
const GRID: [number, number] = [16, 16];
const MIDDLE_BUTTON = [1];
const PAN_KEY = "Space";
const ADD_KEYS = ["Shift", "Control", "Meta"];
/** How near to a socket a link that is drawn must come to be drawn to it. */
const MAGNET = 24;
/**
 * What a finger does not move the view by; a mouse pans by other buttons, from anywhere. React Flow marks each node with
 * this as a class, and asks by it as a selector, which must not find them: one pans from nodes too.
 */
const HOLDS = window.matchMedia("(any-pointer: coarse)").matches ? "nodrag:not(.react-flow__node)" : "held:not(*)";
const PRO = { hideAttribution: true };
const NO_EDGES: LinkEdge[] = [];

export function Canvas() {
  const tab = useDocs((state) => activeTab(state));
  const catalogue = useLibrary((state) => state.catalogue);
  const { selection, frames, links, unfolded, linking, minimap, snap, trackpad, slides } = useUi(
    useShallow(({ selection, frames, links, unfolded, linking, minimap, snap, trackpad, slides }) => ({
      selection,
      frames,
      links,
      unfolded,
      linking,
      minimap,
      snap,
      trackpad,
      slides,
    })),
  );
  const free = useUi((state) => state.free);
  const help = useUi((state) => state.help !== undefined);
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
  const panning = useKeyPress(PAN_KEY);
  const store = useStoreApi();
  const level = useStore((state) => levelAt(state.transform[2]));
  const traced = useStore((state) => state.transform[2] < TRACED);
  useHandlesAgain(level);
  const view = `${tab.id} ${tab.view.join(":")}`;
  const flow = useRef<Flow>(undefined);
  const hold = useMemo(() => holdIn(flow), []);
  useViewports(view, flow);
  const canvas = useWheelSense();
  return (
    <div
      ref={canvas}
      className={["canvas", level, linking && "linking", panning && "panning"].filter(Boolean).join(" ")}
      onPointerMove={(event) => {
        notePointer({ x: event.clientX, y: event.clientY });
        if (event.altKey !== free) useUi.setState({ free: event.altKey });
        if (linking) hintAt(event.target as Element);
        drag.over({ x: event.clientX, y: event.clientY });
      }}
      onPointerOver={(event) => hintAt(event.target as Element)}
      onPointerDownCapture={(event) => {
        if (beginKnife(event)) return;
        beginMarquee(event);
        beginLongPress(event);
        // React Flow counts in lengths of the graph, a hand in those of the screen.
        store.setState({ connectionRadius: MAGNET / store.getState().transform[2] });
      }}
      onClickCapture={(event) => {
        if (tap(event)) event.stopPropagation();
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
      <LinkingNote />
      {linking && <style>{linkingStyle(linking, typesOf(nodes))}</style>}
      <LevelContext value={level}>
        <ReactFlow<AnyNode, LinkEdge>
          tabIndex={0}
          aria-description="Arrow keys go from node to node; F6 goes on to the panels."
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
          connectOnClick={false}
          noPanClassName={HOLDS}
          onlyRenderVisibleElements
          selectionOnDrag
          selectionMode={SelectionMode.Partial}
          selectionKeyCode={null}
          multiSelectionKeyCode={ADD_KEYS}
          deleteKeyCode={null}
          panActivationKeyCode={PAN_KEY}
          nodesDraggable={!panning}
          panOnDrag={MIDDLE_BUTTON}
          panOnScroll={trackpad || slides}
          panOnScrollMode={PanOnScrollMode.Free}
          zoomOnDoubleClick={false}
          minZoom={LEAST_ZOOM}
          maxZoom={MOST_ZOOM}
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
          {around.graph.everywhere && (
            <Suspense>
              <EverywhereLinks nodes={nodes} graph={around.graph} selection={selection} />
            </Suspense>
          )}
          {traced && <TinyLinks nodes={nodes} edges={edges} />}
        </ReactFlow>
      </LevelContext>
      {help && (
        <Suspense fallback={<Coming />}>
          <NodeHelp />
        </Suspense>
      )}
      {minimap && nodes.length > 0 && (
        <Suspense>
          <Minimap nodes={nodes} tab={tab.id} />
        </Suspense>
      )}
    </div>
  );
}

/**
 * Notes whether a wheel turns or fingers slide. Not by React, whose own events ask for the lengths first: see `isTrackpad`.
 */
function useWheelSense(): React.RefObject<HTMLDivElement | null> {
  const canvas = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = canvas.current;
    const sense = (event: WheelEvent) => {
      const before = useUi.getState().slides;
      const slides = isTrackpad(event, before);
      if (slides !== before) useUi.setState({ slides });
    };
    element?.addEventListener("wheel", sense, { capture: true, passive: true });
    return () => element?.removeEventListener("wheel", sense, { capture: true });
  }, []);
  return canvas;
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
  showFirst();
};

/** Each graph keeps where one looked at it; one that is opened is shown in the moment that it is drawn. */
function useViewports(view: string, flow: React.RefObject<Flow | undefined>): void {
  const kept = useRef(new Map<string, { x: number; y: number; zoom: number }>());
  const last = useRef(view);
  useLayoutEffect(() => {
    const instance = flow.current;
    if (last.current === view) return;
    if (instance) kept.current.set(last.current, instance.getViewport());
    last.current = view;
    const known = kept.current.get(view);
    if (known) void instance?.setViewport(known);
    else showFirst();
  }, [view, flow]);
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

function GhostLink({ fromX, fromY, toX, toY }: { fromX: number; fromY: number; toX: number; toY: number }) {
  const linking = useUi((state) => state.linking);
  if (!linking) return null;
  const out = linking.side !== "in";
  const ends = out
    ? { sourceX: fromX, sourceY: fromY, targetX: toX, targetY: toY }
    : { sourceX: toX, sourceY: toY, targetX: fromX, targetY: fromY };
  return <path className="ghost" d={linkPath(ends)} style={{ stroke: socketColour(linking.type) }} />;
}

function reroute(event: React.MouseEvent, edge: LinkEdge): void {
  const id = edge.data?.link.id;
  if (id !== undefined) rerouteAt(id, placeAt({ x: event.clientX, y: event.clientY }));
}

const nodeMenu = (event: React.MouseEvent, node: AnyNode) =>
  openMenu(event, isFrameId(node.id) ? { frame: frameNumber(node.id) } : { node: node.id });
const edgeMenu = (event: React.MouseEvent, edge: LinkEdge) => openMenu(event, { link: edge.data?.link.id });
const paneMenu = (event: React.MouseEvent | MouseEvent) => openMenu(event, {});

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
