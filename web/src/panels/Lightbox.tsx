import {
  ChevronLeft,
  ChevronRight,
  Dices,
  Download,
  GitCompareArrows,
  ImagePlus,
  Info,
  Pin,
  Star,
  Trash2,
  Workflow,
  X,
} from "lucide-react";
import { Dialog } from "radix-ui";
import { useEffect, useState } from "react";
import { getHistoryEntry, type HistoryEntry, imageUrl } from "../api/rest";
import type { Size } from "../model/zoom";
import { loadResult } from "../store/files";
import { forgetJob } from "../store/queue";
import { openWorkflowOf, pinOrCompare, workflowOf } from "../store/results";
import { seedsOf, takeSeeds } from "../store/seeds";
import { toggleStars, useIsStarred } from "../store/stars";
import { report, useUi } from "../store/ui";
import { Facts } from "./Facts";
import { focusItself } from "./focusItself";
import { useZoom } from "./useZoom";

/** One picture at full size: wheel to the pixel, arrows to the next, how it was made beside it. */
export default function Lightbox() {
  const box = useUi((state) => state.lightbox);
  const pinned = useUi((state) => state.pinnedA);
  const [info, setInfo] = useState(false);
  const item = box?.items[box.at];
  const zoom = useZoom(item ? imageUrl(item.image) : "");
  const entry = useEntry(item?.job);
  const star = useIsStarred(item?.image);
  const [size, setSize] = useState<Size>();
  if (!box || !item) return null;
  const close = () => useUi.setState({ lightbox: undefined });
  const go = (by: number) =>
    useUi.setState({ lightbox: { ...box, at: (box.at + by + box.items.length) % box.items.length } });
  const pin = () => pinOrCompare(item.image);
  const remove = async () => {
    const pictures = Object.values(entry?.outputs ?? {}).flatMap((output) => output.images ?? []);
    if (item.job && (await forgetJob(item.job, pictures.length ? pictures : [item.image]))) close();
  };
  const keys = (event: React.KeyboardEvent) => {
    if (event.key === "ArrowRight") go(1);
    else if (event.key === "ArrowLeft") go(-1);
    else if (event.key.toLowerCase() === "c") pin();
    else if (event.key.toLowerCase() === "i") setInfo(!info);
    else if (event.key.toLowerCase() === "s") toggleStars([item.image]);
    else if (event.key === "Delete" && item.job) void remove();
    else if (!zoom.press(event)) return;
    event.preventDefault();
  };
  const workflow = workflowOf(entry);
  const seeds = entry ? seedsOf(entry.prompt) : [];
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Content
          className={info && entry ? "lightbox informed" : "lightbox"}
          aria-describedby={undefined}
          onKeyDown={keys}
          onOpenAutoFocus={focusItself}
        >
          <Dialog.Title className="unseen">{item.image.filename}</Dialog.Title>
          <header>
            <span className="lightbox-name">
              {item.image.filename}
              {box.items.length > 1 && ` · ${box.at + 1} of ${box.items.length}`}
            </span>
            <span className="spring" />
            <div className="lightbox-actions">
              <button
                type="button"
                className="quiet percent"
                title="Fit (0), or the picture's own pixels (1)"
                onClick={zoom.toggle}
              >
                {zoom.percent} %
              </button>
              {entry && workflow && (
                <button
                  type="button"
                  className="quiet"
                  onClick={() => {
                    close();
                    openWorkflowOf(entry, item.image);
                  }}
                >
                  <Workflow size={14} /> <span>Open its workflow</span>
                </button>
              )}
              <button
                type="button"
                className="icon"
                title="Use as an input"
                aria-label="Use as an input"
                onClick={() => {
                  close();
                  void loadResult(item.image);
                }}
              >
                <ImagePlus size={16} />
              </button>
              <button
                type="button"
                className="icon"
                title={pinned ? "Compare with A (C)" : "Pin as A (C)"}
                aria-label={pinned ? "Compare with A" : "Pin as A"}
                onClick={pin}
              >
                {pinned ? <GitCompareArrows size={16} /> : <Pin size={16} />}
              </button>
              {seeds.length > 0 && (
                <button
                  type="button"
                  className="icon"
                  title="Use its seed"
                  aria-label="Use its seed"
                  onClick={() => {
                    close();
                    takeSeeds(seeds);
                  }}
                >
                  <Dices size={16} />
                </button>
              )}
              {entry && (
                <button
                  type="button"
                  className={info ? "icon on" : "icon"}
                  title="How it was made (I)"
                  aria-label="How it was made"
                  aria-pressed={info}
                  onClick={() => setInfo(!info)}
                >
                  <Info size={16} />
                </button>
              )}
              <button
                type="button"
                className={star ? "icon star on" : "icon star"}
                title="Star (S)"
                aria-label="Star"
                aria-pressed={star}
                onClick={() => toggleStars([item.image])}
              >
                <Star size={16} />
              </button>
              <a
                className="icon"
                href={imageUrl(item.image)}
                download={item.image.filename}
                title="Download"
                aria-label="Download"
              >
                <Download size={16} />
              </a>
              {item.job && (
                <button
                  type="button"
                  className="icon"
                  title="Take out of the history"
                  aria-label="Take out of the history"
                  onClick={() => void remove()}
                >
                  <Trash2 size={16} />
                </button>
              )}
            </div>
            <button type="button" className="icon" title="Close" aria-label="Close" onClick={close}>
              <X size={16} />
            </button>
          </header>
          <div className="lightbox-stage" ref={zoom.stage}>
            <img
              src={imageUrl(item.image)}
              alt={item.image.filename}
              style={zoom.style}
              draggable={false}
              onLoad={({ currentTarget }) => {
                zoom.onLoad();
                setSize({ width: currentTarget.naturalWidth, height: currentTarget.naturalHeight });
              }}
            />
          </div>
          {box.items.length > 1 && (
            <>
              <button type="button" className="icon side left" aria-label="Previous" onClick={() => go(-1)}>
                <ChevronLeft size={20} />
              </button>
              <button type="button" className="icon side right" aria-label="Next" onClick={() => go(1)}>
                <ChevronRight size={20} />
              </button>
            </>
          )}
          {info && entry && <Facts entry={entry} image={item.image} size={size} />}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function useEntry(job: string | undefined): HistoryEntry | undefined {
  const [entry, setEntry] = useState<HistoryEntry>();
  useEffect(() => {
    let late = false;
    setEntry(undefined);
    if (job) getHistoryEntry(job).then((found) => late || setEntry(found), report);
    return () => {
      late = true;
    };
  }, [job]);
  return entry;
}
