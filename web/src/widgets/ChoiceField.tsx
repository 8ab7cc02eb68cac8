import { ChevronDown, TriangleAlert, Upload } from "lucide-react";
import { Popover } from "radix-ui";
import { useEffect, useMemo, useRef, useState } from "react";
import { imageFromName, imageName, imageUrl, listModelPictures, THUMBNAIL } from "../api/rest";
import type { Json } from "../model/json";
import { filterTexts, nearest } from "../model/search";
import type { WidgetShape } from "../model/shape";
import { isGone } from "../model/warnings";
import { chooseFile } from "../store/files";
import { readFolder, uploadPicture, usePictureNames, usePresence } from "../store/pictures";
import { report } from "../store/ui";

interface Props {
  readonly widget: WidgetShape;
  readonly label: string;
  readonly value: Json;
  readonly onChange: (value: Json) => void;
}

const SHOWN = 200;

/** A choice among what the server offers: searchable, and plain about a value that is not on offer. */
export function ChoiceField({ widget, label, value, onChange }: Props) {
  return widget.upload ? (
    <PictureChoice widget={widget} label={label} value={value} onChange={onChange} />
  ) : (
    <Choice widget={widget} label={label} value={value} onChange={onChange} missing={isGone(widget, value)} />
  );
}

/** A picture of a folder of the server, or one to upload to it. */
function PictureChoice({ widget, label, value, onChange }: Props) {
  const { folder = "input" } = widget;
  const presence = usePresence(String(value ?? ""), folder, widget.options);
  const names = usePictureNames(folder, widget.options);
  return (
    <Choice
      widget={{ ...widget, options: names }}
      label={label}
      value={value}
      onChange={onChange}
      missing={presence === "missing"}
      onOpen={() => void readFolder({ type: folder, subfolder: "", filename: "" })}
    >
      <button
        type="button"
        className="icon"
        title="Upload a picture"
        aria-label="Upload a picture"
        onClick={() => choosePicture(folder, onChange)}
      >
        <Upload size={14} />
      </button>
    </Choice>
  );
}

/** Lets a person choose a picture of this machine, and gives the name that it got on the server. */
export function choosePicture(folder: string, then: (name: string) => void): void {
  chooseFile("image/*", (file) =>
    uploadPicture(file, file.name, folder).then((image) => then(imageName(image, folder)), report),
  );
}

interface ChoiceProps extends Props {
  readonly missing: boolean;
  readonly onOpen?: () => void;
  readonly children?: React.ReactNode;
}

function Choice({ widget, label, value, onChange, missing, onOpen, children }: ChoiceProps) {
  const [open, setOpen] = useState(false);
  const shown = String(value ?? "");
  const change = (next: boolean) => {
    setOpen(next);
    if (next) onOpen?.();
  };
  return (
    <div className={missing ? "field choice missing" : "field choice"}>
      <Popover.Root open={open} onOpenChange={change}>
        <Popover.Trigger asChild>
          <button type="button" className="choice-button" title={missing ? `${shown} is not on this server` : shown}>
            <span className="label">{label}</span>
            <span className="state">
              {missing && <TriangleAlert size={12} />}
              {tail(shown) || "none"}
            </span>
            <ChevronDown size={12} />
          </button>
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Content className="popover options nowheel" align="start" sideOffset={4} collisionPadding={8}>
            <Options
              widget={widget}
              value={value}
              missing={missing}
              onPick={(next) => {
                setOpen(false);
                onChange(next);
              }}
            />
          </Popover.Content>
        </Popover.Portal>
      </Popover.Root>
      {children}
    </div>
  );
}

/** The end of a path tells files apart better than its beginning. */
function tail(name: string): string {
  return name.split(/[\\/]/).pop() ?? name;
}

/** The folders of models, by the name of the widget that chooses from them. */
const FOLDERS: Readonly<Record<string, string>> = {
  ckpt_name: "checkpoints",
  lora_name: "loras",
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

function Options({ widget, value, missing, onPick }: OptionsProps) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(Math.max(0, widget.options.indexOf(value)));
  const list = useRef<HTMLDivElement>(null);
  const found = useMemo(() => filterTexts(widget.options, text, String), [widget.options, text]);
  const pictures = useModelPictures(widget);
  const near = missing ? nearest(String(value), widget.options.map(String)) : [];
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
