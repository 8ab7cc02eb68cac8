import { ArrowLeftRight, X } from "lucide-react";
import { Dialog } from "radix-ui";
import { useRef, useState } from "react";
import { imageUrl } from "../api/rest";
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
  const stage = useRef<HTMLDivElement>(null);
  const { style } = useZoom(stage, pair ? imageUrl(pair.a) + imageUrl(pair.b) : "");
  if (!pair) return null;
  const close = () => useUi.setState({ compare: undefined });
  const swap = () => useUi.setState({ compare: { a: pair.b, b: pair.a } });
  const wipe = how === "wipe" ? { clipPath: `inset(0 0 0 ${split}%)` } : {};
  const difference = how === "difference" ? ({ mixBlendMode: "difference" } as const) : {};
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Content className="lightbox compare" aria-describedby={undefined}>
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
            <button type="button" className="icon" title="Swap A and B" aria-label="Swap A and B" onClick={swap}>
              <ArrowLeftRight size={16} />
            </button>
            <button type="button" className="icon" aria-label="Close" onClick={close}>
              <X size={16} />
            </button>
          </header>
          <div className={`lightbox-stage ${how}`} ref={stage}>
            <div className="half">
              <img src={imageUrl(pair.a)} alt="A" style={style} draggable={false} />
            </div>
            <div className="half b" style={{ ...wipe, ...difference }}>
              <img src={imageUrl(pair.b)} alt="B" style={style} draggable={false} />
            </div>
            <span className="tag a">A</span>
            <span className="tag b">B</span>
            {how === "wipe" && <i className="wipe-line" style={{ left: `${split}%` }} />}
          </div>
          {how === "wipe" && (
            <input
              className="wipe"
              type="range"
              min={0}
              max={100}
              step={0.1}
              value={split}
              aria-label="Where A ends and B begins"
              onChange={(event) => setSplit(Number(event.currentTarget.value))}
            />
          )}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
