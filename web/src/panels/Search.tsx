import { History } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { endsOf } from "../canvas/gestures";
import { addNode, connect, type Point } from "../model/edits";
import { inputHandle, outputHandle } from "../model/layout";
import type { NodeSchema } from "../model/schema";
import { searchNodes } from "../model/search";
import { fits, isAny, socketColour } from "../model/types";
import { REROUTE } from "../model/virtual";
import { edit } from "../store/docs";
import { rememberUse, useLibrary } from "../store/library";
import { useTyped } from "../store/typedAhead";
import { type SearchAt, select, useUi } from "../store/ui";

/** Search to add a node: at the pointer, filtered by what a dropped link asks for, linked when it was. */
export function Search() {
  const search = useUi((state) => state.search);
  return search ? <SearchBox key={`${search.screen.x} ${search.screen.y}`} at={search} /> : null;
}

const EXTRA: readonly NodeSchema[] = [
  virtual(REROUTE, "Reroute", "A dot to lead a link around", true),
  virtual("PrimitiveNode", "Primitive", "One value for several widgets", false, true),
  virtual("MarkdownNote", "Note", "Text beside the nodes"),
];

function virtual(type: string, title: string, description: string, takes = false, gives = false): NodeSchema {
  const any = { name: "", label: "", type: "*", optional: true, list: false };
  return {
    type,
    title,
    description,
    category: "editor",
    sockets: takes ? [any] : [],
    widgets: [],
    outputs: takes || gives ? [any] : [],
    terminal: false,
    deprecated: false,
    experimental: false,
    aliases: type === "MarkdownNote" ? ["comment", "text", "markdown"] : ["dot"],
    uploadAfter: -1,
    legacy: [],
  };
}

function SearchBox({ at }: { at: SearchAt }) {
  const catalogue = useLibrary((state) => state.catalogue);
  const recent = useLibrary((state) => state.recent);
  const [text, setText] = useTyped();
  const [place, setPlace] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const all = useMemo(() => new Map([...catalogue, ...EXTRA.map((one) => [one.type, one] as const)]), [catalogue]);
  const found = useMemo(
    () =>
      searchNodes(all, {
        text,
        recent,
        takes: at.from?.side === "out" ? at.from.type : undefined,
        gives: at.from?.side === "in" ? at.from.type : undefined,
      }),
    [all, text, recent, at],
  );
  const close = () => useUi.setState({ search: undefined });
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  });
  useEffect(() => {
    void list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [place, found]);
  const chosen = found[place];
  const keys = (event: React.KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === "ArrowDown") setPlace(Math.min(found.length - 1, place + 1));
    else if (event.key === "ArrowUp") setPlace(Math.max(0, place - 1));
    else if (event.key === "Enter" && chosen) create(chosen, at);
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
  };
  return (
    <div ref={box} className="search popover" style={within(at.screen)} role="dialog" aria-label="Add a node">
      <div className="search-list">
        <input
          // biome-ignore lint/a11y/noAutofocus: opened to type in
          autoFocus
          type="text"
          role="combobox"
          aria-expanded
          aria-controls="search-results"
          aria-activedescendant={chosen ? `found-${chosen.type}` : undefined}
          aria-label="Search for a node"
          placeholder={
            at.from ? `Nodes that ${at.from.side === "out" ? "take" : "give"} ${at.from.type}` : "Search for a node"
          }
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            setPlace(0);
          }}
          onKeyDown={keys}
        />
        <div className="list" id="search-results" role="listbox" ref={list} aria-label="Nodes">
          {found.map((one, i) => (
            <button
              type="button"
              role="option"
              tabIndex={-1}
              id={`found-${one.type}`}
              key={one.type}
              aria-selected={i === place}
              onPointerMove={() => setPlace(i)}
              onClick={() => create(one, at)}
            >
              <i
                className="swatch"
                style={{ background: socketColour(one.outputs[0]?.type ?? one.sockets[0]?.type ?? "*") }}
              />
              <span>{one.title}</span>
              {text === "" && recent.includes(one.type) && <History size={12} aria-label="used lately" />}
              <small>{one.category}</small>
            </button>
          ))}
          {!found.length && <p className="hint">No node of this server fits.</p>}
        </div>
        <footer className="hint">
          <kbd>in:LATENT</kbd> takes a latent · <kbd>&gt;IMAGE</kbd> gives an image
        </footer>
      </div>
      {chosen && <Preview schema={chosen} />}
    </div>
  );
}

const WIDTH = 560;
const HEIGHT = 380;

function within(screen: Point): React.CSSProperties {
  const narrow = window.innerWidth < 700;
  if (narrow) return { left: 8, right: 8, top: 56 };
  return {
    left: Math.max(8, Math.min(screen.x, window.innerWidth - WIDTH - 8)),
    top: Math.max(52, Math.min(screen.y - 20, window.innerHeight - HEIGHT - 8)),
  };
}

function Preview({ schema }: { schema: NodeSchema }) {
  return (
    <div className="search-preview">
      <h3>{schema.title}</h3>
      {schema.description && <p>{schema.description}</p>}
      <dl>
        {schema.sockets.map((one) => (
          <div key={one.name}>
            <dt>
              <i className="swatch" style={{ background: socketColour(one.type) }} /> {one.label}
            </dt>
            <dd>{one.type}</dd>
          </div>
        ))}
        {schema.outputs.map((one, i) => (
          <div key={`${one.name}${i}`} className="out">
            <dt>
              <i className="swatch" style={{ background: socketColour(one.type) }} /> {one.name}
            </dt>
            <dd>→</dd>
          </div>
        ))}
      </dl>
      {schema.widgets.length > 0 && <small>{schema.widgets.map((one) => one.label).join(" · ")}</small>}
    </div>
  );
}

function create(schema: NodeSchema, { place, from }: SearchAt): void {
  rememberUse(schema.type);
  useUi.setState({ search: undefined });
  const x = Math.round((from?.side === "in" ? place.x - 256 : place.x) / 16) * 16;
  const y = Math.round(place.y / 16) * 16 + (from ? 0 : 32);
  edit(`add ${schema.title}`, (doc, at) => {
    const [added, id] = addNode(doc, at, schema.type, { x, y });
    select([id]);
    if (!from) return added;
    const handle = from.side === "out" ? handleThatTakes(schema, from.type) : handleThatGives(schema, from.type);
    if (!handle) return added;
    const ends = endsOf(from, { node: id, handle });
    return connect(added, at, {
      ...ends,
      type: from.side === "out" ? from.type : (schema.outputs[ends.slot]?.type ?? from.type),
    });
  });
}

function handleThatTakes(schema: NodeSchema, type: string): string | undefined {
  const inputs = [...schema.sockets, ...schema.widgets].filter((one) => fits(type, one.type));
  const best = inputs.find((one) => !isAny(one.type)) ?? inputs[0];
  return best && inputHandle(best.name);
}

function handleThatGives(schema: NodeSchema, type: string): string | undefined {
  const slot = schema.outputs.findIndex((one) => fits(one.type, type));
  return slot < 0 ? undefined : outputHandle(slot);
}
