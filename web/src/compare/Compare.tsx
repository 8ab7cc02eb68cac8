import { ArrowLeftRight, ChevronsLeftRight, X } from "lucide-react";
import { Dialog } from "radix-ui";
import { useState } from "react";
import { type ImageRef, imageUrl } from "../api/rest";
import { focusItself } from "../panels/focusItself";
import { useZoom } from "../panels/useZoom";
import { useUi } from "../store/ui";

type How = "wipe" | "side" | "difference";
const HOWS: readonly (readonly [How, string])[] = [
  ["wipe", "Wipe"],
  ["side", "Side by side"],
  ["difference", "Difference"],
];

/** Two pictures against each other, under one zoom. */
export default function Compare() {
  const pair = useUi((state) => state.compare);
  const [how, setHow] = useState<How>("wipe");
  const [split, setSplit] = useState(50);
  const zoom = useZoom(pair ? imageUrl(pair.a) + imageUrl(pair.b) + how : "");
  if (!pair) return null;
  const close = () => useUi.setState({ compare: undefined });
  const swap = () => useUi.setState({ compare: { a: pair.b, b: pair.a } });
  const wipe = how === "wipe" ? { clipPath: `inset(0 0 0 ${split}%)` } : {};
  const difference = how === "difference" ? ({ mixBlendMode: "difference" } as const) : {};
  const keys = (event: React.KeyboardEvent) => {
    if (zoom.press(event)) event.preventDefault();
    else if (event.key.toLowerCase() === "x") swap();
  };
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Content
          className="lightbox compare"
          aria-describedby={undefined}
          onKeyDown={keys}
          onOpenAutoFocus={focusItself}
        >
          <Dialog.Title className="unseen">Compare</Dialog.Title>
          <header>
            <div className="segments" role="radiogroup" aria-label="How to compare">
              {HOWS.map(([name, label]) => (
                // biome-ignore lint/a11y/useSemanticElements: a segmented control
                <button type="button" role="radio" aria-checked={how === name} key={name} onClick={() => setHow(name)}>
                  {label}
                </button>
              ))}
            </div>
            <span className="spring" />
            <button
              type="button"
              className="quiet percent"
              title="Fit, or the pictures' own pixels"
              onClick={zoom.toggle}
            >
              {zoom.percent} %
            </button>
            <button type="button" className="icon" title="Swap A and B (X)" aria-label="Swap A and B" onClick={swap}>
              <ArrowLeftRight size={16} />
            </button>
            <button type="button" className="icon" title="Close" aria-label="Close" onClick={close}>
              <X size={16} />
            </button>
          </header>
          <div className={`lightbox-stage ${how}`} ref={zoom.stage}>
            <div className="half">
              <img src={imageUrl(pair.a)} alt="A" style={zoom.style} draggable={false} onLoad={zoom.onLoad} />
            </div>
            <div className="half b" style={{ ...wipe, ...difference }}>
              <img src={imageUrl(pair.b)} alt="B" style={zoom.style} draggable={false} />
            </div>
            <Tag side="A" image={pair.a} />
            <Tag side="B" image={pair.b} />
            {how === "wipe" && <WipeLine split={split} onSplit={setSplit} />}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Tag({ side, image }: { side: "A" | "B"; image: ImageRef }) {
  return (
    <span className={`tag ${side.toLowerCase()}`}>
      {side} <small>{image.filename}</small>
    </span>
  );
}

interface WipeProps {
  readonly split: number;
  readonly onSplit: (split: number) => void;
}

const STEP = 1;

/** Where A ends and B begins: dragged, or moved by arrows. */
function WipeLine({ split, onSplit }: WipeProps) {
  const within = (value: number) => onSplit(Math.max(0, Math.min(100, value)));
  const follow = (event: React.PointerEvent) => {
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (box && event.currentTarget.hasPointerCapture(event.pointerId))
      within((100 * (event.clientX - box.x)) / box.width);
  };
  const press = (event: React.KeyboardEvent) => {
    const step = event.shiftKey ? 10 * STEP : STEP;
    if (event.key === "ArrowLeft" || event.key === "ArrowDown") within(split - step);
    else if (event.key === "ArrowRight" || event.key === "ArrowUp") within(split + step);
    else if (event.key === "Home") within(0);
    else if (event.key === "End") within(100);
    else return;
    event.preventDefault();
  };
  return (
    <div
      role="slider"
      tabIndex={0}
      className="wipe-line"
      style={{ left: `${split}%` }}
      aria-label="Where A ends and B begins"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(split)}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={follow}
      onKeyDown={press}
    >
      <span>
        <ChevronsLeftRight size={16} />
      </span>
    </div>
  );
}
