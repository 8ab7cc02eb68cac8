import { useEffect, useRef } from "react";
import { linksInto } from "../model/document";
import { disconnect, editFrame, removeFrame } from "../model/edits";
import { togglePin } from "../model/pins";
import { dotsOf } from "../model/reroutes";
import type { NodeSchema } from "../model/schema";
import { shapeOf } from "../model/shape";
import { substitutes } from "../model/substitute";
import { canEndAt } from "../model/upTo";
import {
  COLOURS,
  colourChosen,
  command,
  foldFrames,
  keyLabel,
  openSubgraph,
  replaceNode,
  runTo,
} from "../store/commands";
import { activeTab, currentGraph, edit } from "../store/docs";
import { keysNow } from "../store/keys";
import { rerouteAt } from "../store/links";
import { useUi } from "../store/ui";

interface Item {
  readonly label: string;
  readonly keys?: string;
  readonly run: () => void;
}

/** The menu of the place where one right-clicked: a node, a link, a frame or the canvas. */
export function CanvasMenu() {
  const menu = useUi((state) => state.menu);
  const box = useRef<HTMLDivElement>(null);
  const close = () => useUi.setState({ menu: undefined });
  useEffect(() => {
    if (!menu) return;
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  });
  if (!menu) return null;
  const items = menu.node
    ? menu.node.startsWith("dot:")
      ? [say("delete"), say("dots-to-nodes")]
      : nodeItems(menu.node)
    : menu.link !== undefined
      ? linkItems(menu.link)
      : menu.frame !== undefined
        ? frameItems(menu.frame)
        : paneItems();
  const left = Math.min(menu.screen.x, window.innerWidth - 250);
  const top = Math.max(8, Math.min(menu.screen.y, window.innerHeight - 34 * items.length - 60));
  return (
    <div
      ref={box}
      className="menu canvas-menu"
      role="menu"
      tabIndex={-1}
      aria-label="Actions"
      data-state="open"
      style={{ left, top }}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Escape") close();
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          event.preventDefault();
          step(box.current, event.key === "ArrowDown" ? 1 : -1);
        }
      }}
    >
      {items.map((one) => (
        <button
          type="button"
          role="menuitem"
          key={one.label}
          onPointerMove={(event) => event.currentTarget.focus({ preventScroll: true })}
          onClick={() => {
            close();
            one.run();
          }}
        >
          {one.label}
          {one.keys && <kbd>{keyLabel(one.keys)}</kbd>}
        </button>
      ))}
      {menu.node && !menu.node.startsWith("dot:") && (
        <Swatches colours={COLOURS} onChoose={colourChosen} onPick={close} />
      )}
      {menu.frame !== undefined && <Swatches colours={FRAME_COLOURS} onChoose={tint(menu.frame)} onPick={close} />}
    </div>
  );
}

function step(box: HTMLElement | null, by: number): void {
  const all = [...(box?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  const at = all.indexOf(document.activeElement as HTMLElement);
  all[(at + by + all.length) % all.length]?.focus();
}

interface SwatchesProps {
  readonly colours: readonly { readonly name: string; readonly value: string | undefined }[];
  readonly onChoose: (value: string | undefined) => void;
  readonly onPick: () => void;
}

function Swatches({ colours, onChoose, onPick }: SwatchesProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a row of colours inside a menu
    <div className="swatches" role="group" aria-label="Colour">
      {colours.map(({ name, value }) => (
        <button
          type="button"
          key={name}
          title={name}
          aria-label={`Colour: ${name}`}
          style={{ background: value ?? "var(--node-head)" }}
          onClick={() => {
            onChoose(value);
            onPick();
          }}
        />
      ))}
    </div>
  );
}

const say = (id: string): Item => {
  const one = command(id);
  return { label: one.label, keys: keysNow(one)[0], run: one.run };
};

function nodeItems(id: string): readonly Item[] {
  const around = currentGraph();
  const node = around.graph.nodes.get(id);
  const shape = node && shapeOf(node, around);
  const path = [...activeTab().view, id].join(":");
  const first = shape?.widgets[0];
  return [
    ...(node && shape?.kind === "unknown" ? substitutes(node, around.catalogue).map(replaceItem(id)) : []),
    ...(shape?.kind === "schema" && canEndAt(shape.outputs, shape.terminal, around.catalogue)
      ? [{ label: "Run to here", run: () => runTo(id) }]
      : []),
    ...(shape?.kind === "subgraph"
      ? [{ label: "Open the subgraph", run: () => openSubgraph(id) }, say("unpack"), say("separate"), say("publish")]
      : []),
    say("rename"),
    say("bypass"),
    say("mute"),
    say("collapse"),
    say("duplicate"),
    say("copy"),
    ...(linksInto(around.graph, id).length ? [say("extract")] : []),
    say("frame"),
    say("subgraph"),
    ...(first
      ? [
          {
            label: `Show ${shape.widgets.length > 1 ? "its widgets" : first.label} in the form`,
            run: () =>
              pinAll(
                path,
                shape.widgets.map((one) => one.name),
              ),
          },
        ]
      : []),
    ...(shape && shape.kind !== "note" ? [say("node-help")] : []),
    say("delete"),
  ];
}

const replaceItem = (id: string) => (schema: NodeSchema) => ({
  label: `Replace with ${schema.title}`,
  run: () => replaceNode(id, schema),
});

function pinAll(path: string, names: readonly string[]): void {
  edit("show in the form", (doc) =>
    names
      .filter((name) => !doc.form.some((pin) => pin.node === path && pin.widget === name))
      .reduce((next, name) => togglePin(next, path, name), doc),
  );
  useUi.setState({ right: "form" });
}

function linkItems(id: number): readonly Item[] {
  const place = useUi.getState().menu?.place ?? { x: 0, y: 0 };
  return [
    {
      label: "Add a reroute",
      keys: keysNow(command("reroute"))[0],
      run: () => rerouteAt(id, place),
    },
    { label: "Delete the link", run: () => edit("disconnect", (doc, at) => disconnect(doc, at, [id])) },
  ];
}

const FRAME_COLOURS = [
  { name: "Blue", value: "#3f789e" },
  { name: "Cyan", value: "#2f8f8f" },
  { name: "Green", value: "#3f9e6a" },
  { name: "Amber", value: "#b8863a" },
  { name: "Red", value: "#b0525c" },
  { name: "Purple", value: "#7a5ab8" },
  { name: "Grey", value: "#6b7485" },
];

const tint = (id: number) => (color: string | undefined) => {
  if (color) edit("colour frame", (doc, at) => editFrame(doc, at, id, { color }));
};

function frameItems(id: number): readonly Item[] {
  const folded = currentGraph().graph.frames.get(id)?.folded;
  return [
    { label: folded ? "Unfold" : "Fold", keys: keysNow(command("collapse"))[0], run: () => foldFrames([id]) },
    { label: "Rename the frame", run: () => useUi.setState({ renamingFrame: id }) },
    { label: "Delete the frame", run: () => edit("delete frame", (doc, at) => removeFrame(doc, at, id)) },
  ];
}

function hasDots(): boolean {
  const { doc, at } = currentGraph();
  return dotsOf(doc, at).size > 0;
}

function paneItems(): readonly Item[] {
  const menu = useUi.getState().menu;
  const add = {
    label: "Add a node",
    keys: "Tab",
    run: () => menu && useUi.setState({ search: { screen: menu.screen, place: menu.place } }),
  };
  return [
    add,
    say("note"),
    say("frame"),
    say("paste"),
    say("select-all"),
    say("tidy"),
    ...(hasDots() ? [say("dots-to-nodes")] : []),
    say("fit-all"),
    ...(activeTab().view.length ? [say("leave")] : []),
  ];
}
