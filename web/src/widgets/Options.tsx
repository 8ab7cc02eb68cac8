import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { imageFromName, imageUrl, listModelPictures, THUMBNAIL } from "../api/rest";
import type { Json } from "../model/json";
import { nearest } from "../model/nearest";
import { filterTexts } from "../model/search";
import type { WidgetShape } from "../model/shape";
import { useTyped } from "../store/typedAhead";

const SHOWN = 200;

/** The folders of models, by the name of the widget that chooses from them. */
const FOLDERS: Readonly<Record<string, string>> = {
  ckpt_name: "checkpoints",
  lora_name: "loras",
  lora: "loras",
  vae_name: "vae",
  unet_name: "diffusion_models",
  control_net_name: "controlnet",
  style_model_name: "style_models",
};

const nothing: ReadonlyMap<string, string> = new Map();

/** The pictures of the models to choose from. Without any the names say enough, so a failure says nothing. */
function useModelPictures(widget: WidgetShape): ReadonlyMap<string, string> {
  const folder = FOLDERS[widget.name.replace(/^.*:/, "")];
  const [pictures, setPictures] = useState(nothing);
  useEffect(() => {
    if (folder && widget.options.length) listModelPictures(folder).then(setPictures, () => setPictures(nothing));
  }, [folder, widget]);
  return pictures;
}

interface OptionsProps {
  readonly widget: WidgetShape;
  readonly value: Json;
  readonly missing: boolean;
  readonly onPick: (value: Json) => void;
}

function Thumb({ src }: { src: string | undefined }) {
  return src === undefined ? null : <img src={src} alt="" loading="lazy" />;
}

/** What can be chosen, to be filtered by typing. */
export default function Options({ widget, value, missing, onPick }: OptionsProps) {
  const [text, setText] = useTyped();
  const field = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(Math.max(0, widget.options.indexOf(value)));
  const list = useRef<HTMLDivElement>(null);
  const found = useMemo(() => filterTexts(widget.options, text, String), [widget.options, text]);
  const pictures = useModelPictures(widget);
  const near = missing ? nearest(String(value), widget.options.map(String)) : [];
  // At once: what is typed from here on must find it.
  useLayoutEffect(() => field.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    void list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [at, found]);
  const keys = (event: React.KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === "ArrowDown") setAt(Math.min(found.length - 1, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
    else if (event.key === "Enter" && found[at] !== undefined) onPick(found[at] as Json);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        ref={field}
        className="filter"
        type="text"
        placeholder="Filter"
        aria-label="Filter"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={keys}
      />
      {missing && (
        <p className="near">
          {String(value)} is not on this server.{near.length > 0 && " Near: "}
          {near.map((name) => (
            <button type="button" key={name} onClick={() => onPick(name)}>
              {name}
            </button>
          ))}
        </p>
      )}
      <div className="list" role="listbox" ref={list} aria-label="Options">
        {found.slice(0, SHOWN).map((option, i) => (
          <button
            type="button"
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            key={String(option)}
            className={option === value ? "chosen" : undefined}
            onClick={() => onPick(option)}
            onPointerMove={() => setAt(i)}
          >
            <Thumb
              src={
                widget.upload
                  ? imageUrl(imageFromName(String(option), widget.folder), THUMBNAIL)
                  : pictures.get(String(option))
              }
            />
            {String(option)}
          </button>
        ))}
        {!found.length && <p className="hint">Nothing fits.</p>}
        {found.length > SHOWN && <p className="hint">{found.length - SHOWN} more: type to find them.</p>}
      </div>
    </>
  );
}
