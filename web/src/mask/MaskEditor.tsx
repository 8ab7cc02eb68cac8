import { Dialog } from "radix-ui";
import { useCallback, useEffect, useRef, useState } from "react";
import { imageName, imageUrl, uploadMask } from "../api/rest";
import { setValue } from "../model/edits";
import { editingHere, locate } from "../store/docs";
import { ask, report, useUi } from "../store/ui";
import { fillArea, type Shape } from "./area";
import { type Brush, dabsBetween, fromAlpha, paint, recolour, withHoles } from "./brush";
import { MaskStage } from "./MaskStage";
import { type Look, MaskTools, TINTS } from "./MaskTools";
import { useStrokes } from "./strokes";
import { centred, fitted } from "./view";

const FIRST_TINT = TINTS[0][0];
const LARGEST_BRUSH = 600;

/** Paints what a picture's mask covers, and uploads it beside the picture. */
export default function MaskEditor() {
  const target = useUi((state) => state.mask);
  const close = useCallback(() => useUi.setState({ mask: undefined }), []);
  const url = target ? imageUrl(target.image) : "";
  const picture = usePicture(url, close);
  const [brush, setBrush] = useState<Brush>({ size: 48, hardness: 0.8, erase: false, tint: FIRST_TINT });
  const [look, setLook] = useState<Look>({ shape: "brush", opacity: 0.6, softness: 8 });
  const [busy, setBusy] = useState(false);
  const [panning, setPanning] = useState(false);
  const [view, setView] = useState({ x: 0, y: 0, scale: 1 });
  const [editThere] = useState(editingHere);
  const mask = useRef<HTMLCanvasElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const { tint } = brush;
  const strokes = useStrokes(mask, tint);

  const place = useCallback((scale?: number) => {
    const [box, canvas] = [stage.current?.getBoundingClientRect(), mask.current];
    if (box && canvas) setView(scale === undefined ? fitted(box, canvas) : centred(box, canvas, scale));
  }, []);
  const { begin } = strokes;
  useEffect(() => {
    const canvas = mask.current;
    if (!picture || !canvas) return;
    canvas.width = picture.naturalWidth;
    canvas.height = picture.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context) fromAlpha(picture, context, FIRST_TINT);
    begin();
    place();
  }, [picture, begin, place]);
  useEffect(() => {
    const context = mask.current?.getContext("2d");
    if (context && mask.current?.width) recolour(context, tint);
  }, [tint]);

  if (!target) return null;
  const drawing = () => mask.current?.getContext("2d");
  const change = (what: (context: CanvasRenderingContext2D) => void) => {
    const context = drawing();
    if (!context) return;
    what(context);
    strokes.keep();
  };
  const leave = async () => {
    const title = "Throw the painted mask away?";
    const text = "What you painted is not saved yet.";
    if (!strokes.undoable || (await ask({ title, text, yes: "Throw it away" }))) close();
  };
  const save = async () => {
    if (!picture || !mask.current) return;
    setBusy(true);
    try {
      const blob = await withHoles(picture, mask.current);
      const image = await uploadMask(blob, `painted-${Date.now()}.png`, target.image);
      if (useUi.getState().mask !== target) return;
      editThere("paint a mask", (doc) => {
        const found = locate(doc, target.node);
        return found ? setValue(doc, found.at, found.id, target.widget, imageName(image)) : doc;
      });
      close();
    } catch (error) {
      report(error);
      setBusy(false);
    }
  };
  const shape = (name: Shape) => setLook((old) => ({ ...old, shape: name }));
  const grow = (by: number) =>
    setBrush((old) => ({ ...old, size: Math.min(LARGEST_BRUSH, Math.max(1, resized(old.size, by))) }));
  const harden = (by: number) =>
    setBrush((old) => ({ ...old, hardness: Math.min(1, Math.max(0, Math.round((old.hardness + by) * 10) / 10)) }));
  const commands: Readonly<Record<string, () => void>> = {
    "Ctrl+Z": strokes.undo,
    "Ctrl+Shift+Z": strokes.redo,
    "Ctrl+Y": strokes.redo,
    BracketLeft: () => grow(1 / 1.15),
    BracketRight: () => grow(1.15),
    "Shift+BracketLeft": () => harden(-0.1),
    "Shift+BracketRight": () => harden(0.1),
    X: () => setBrush((old) => ({ ...old, erase: !old.erase })),
    B: () => shape("brush"),
    R: () => shape("rectangle"),
    L: () => shape("lasso"),
    F: () => place(),
    Home: () => place(),
    "1": () => place(1),
  };
  const keys = (event: React.KeyboardEvent) => {
    const command = commands[keyName(event)];
    if (event.key === " " && event.target === stage.current) setPanning(true);
    else if (command) command();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <Dialog.Root open onOpenChange={() => void leave()}>
      <Dialog.Portal>
        <Dialog.Content
          className="mask-editor"
          aria-describedby={undefined}
          onKeyDown={keys}
          onKeyUp={(event) => event.key === " " && setPanning(false)}
          onPointerDownOutside={(event) => event.preventDefault()}
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            stage.current?.focus();
          }}
        >
          <header>
            <Dialog.Title>Paint a mask</Dialog.Title>
            <span className="spring" />
            <button type="button" className="quiet" onClick={() => void leave()}>
              Cancel
            </button>
            <button type="button" className="run" disabled={busy || !picture} onClick={() => void save()}>
              {busy ? "Saving…" : "Save mask"}
            </button>
          </header>
          <MaskTools
            brush={brush}
            onBrush={(next) => setBrush((old) => ({ ...old, ...next }))}
            look={look}
            onLook={(next) => setLook((old) => ({ ...old, ...next }))}
            strokes={strokes}
            onChange={change}
            onFit={() => place()}
          />
          <MaskStage
            stage={stage}
            view={view}
            shape={look.shape}
            size={brush.size}
            panning={panning}
            onView={setView}
            onDab={(from, to) => {
              const context = drawing();
              if (context) paint(context, dabsBetween(from, to, brush.size), brush);
            }}
            onArea={(points) => {
              const context = drawing();
              if (context) fillArea(context, points, brush);
            }}
            onStroke={strokes.keep}
            onDrop={strokes.drop}
          >
            <div
              className="mask-layers"
              style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})` }}
            >
              {picture && <img src={`${url}&channel=rgb`} alt="What the mask is painted on" draggable={false} />}
              <div className="mask-paint" style={{ opacity: look.opacity }}>
                <canvas ref={mask} aria-label="Mask" />
              </div>
            </div>
          </MaskStage>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** The picture with its alpha, in which a mask may already be. */
function usePicture(url: string, close: () => void): HTMLImageElement | undefined {
  const [picture, setPicture] = useState<HTMLImageElement>();
  useEffect(() => {
    if (!url) return;
    const image = new Image();
    image.onload = () => setPicture(image);
    image.onerror = () => {
      report("That picture could not be read.");
      close();
    };
    image.src = url;
  }, [url, close]);
  return picture;
}

/** One pixel more or less at least: small brushes must not stay what they are. */
const resized = (size: number, by: number) =>
  by > 1 ? Math.max(size + 1, Math.round(size * by)) : Math.min(size - 1, Math.round(size * by));

/** Brackets by their place on the keyboard, which has other signs there in other countries; letters by what they say. */
function keyName({ key, code, ctrlKey, metaKey, shiftKey }: React.KeyboardEvent): string {
  const bracket = { "[": "BracketLeft", "{": "BracketLeft", "]": "BracketRight", "}": "BracketRight" }[key];
  const name = bracket ?? (code.startsWith("Bracket") ? code : key.length === 1 ? key.toUpperCase() : key);
  return `${ctrlKey || metaKey ? "Ctrl+" : ""}${shiftKey ? "Shift+" : ""}${name}`;
}
