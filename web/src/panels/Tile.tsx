import { Check, Star } from "lucide-react";
import { imageUrl, THUMBNAIL } from "../api/rest";
import { forgetJob } from "../store/queue";
import { downloadImages, pinOrCompare } from "../store/results";
import { dragPicture } from "./dragPicture";
import type { Shown } from "./Gallery";

interface Props {
  readonly shown: Shown;
  readonly starred: boolean;
  readonly chosen: boolean;
  /** Whether Tab comes to this one; the arrows go to the others. */
  readonly reached: boolean;
  readonly onFocus: () => void;
  readonly onOpen: () => void;
  readonly onChoose: () => void;
  readonly onStar: () => void;
}

/** A picture of the gallery. Arrows go on, Enter enlarges, Space chooses; S stars, C compares, D saves, Del takes out. */
export function Tile({ shown, starred, chosen, reached, onFocus, onOpen, onChoose, onStar }: Props) {
  const { image, entry } = shown;
  const keys = (event: React.KeyboardEvent<HTMLElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (walk(event)) return;
    if (key === " ") onChoose();
    else if (key === "s") onStar();
    else if (key === "c") pinOrCompare(image);
    else if (key === "d") void downloadImages([image]);
    else if (key === "delete") void forgetJob(entry.id, [image]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      className={["tile", chosen && "chosen"].filter(Boolean).join(" ")}
      data-key={`${image.type}/${image.subfolder}/${image.filename}`}
    >
      <button
        type="button"
        className="tile-picture"
        tabIndex={reached ? 0 : -1}
        aria-label={`Enlarge ${image.filename}`}
        aria-keyshortcuts="Space S C D Delete"
        draggable
        onDragStart={(event) => dragPicture(event, image)}
        onFocus={onFocus}
        onClick={(event) => (event.ctrlKey || event.metaKey || event.shiftKey ? onChoose() : onOpen())}
        onKeyDown={keys}
      >
        <img src={imageUrl(image, THUMBNAIL)} alt={image.filename} loading="lazy" draggable={false} />
      </button>
      <button
        type="button"
        className={chosen ? "icon choose on" : "icon choose"}
        tabIndex={-1}
        aria-pressed={chosen}
        aria-label={`Choose ${image.filename}`}
        title="Choose (Space)"
        onClick={onChoose}
      >
        <Check size={13} />
      </button>
      <button
        type="button"
        className={starred ? "icon star on" : "icon star"}
        tabIndex={-1}
        aria-pressed={starred}
        aria-label={`Star ${image.filename}`}
        title="Star (S)"
        onClick={onStar}
      >
        <Star size={13} />
      </button>
    </div>
  );
}

/** Moves the focus to the picture that an arrow points at. */
function walk(event: React.KeyboardEvent<HTMLElement>): boolean {
  const tiles = [...(event.currentTarget.closest(".gallery")?.querySelectorAll<HTMLElement>(".tile-picture") ?? [])];
  const top = tiles[0]?.getBoundingClientRect().top;
  const columns = tiles.filter((one) => one.getBoundingClientRect().top === top).length || 1;
  const at = tiles.indexOf(event.currentTarget);
  const to = {
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    ArrowDown: at + columns,
    ArrowUp: at - columns,
    Home: 0,
    End: tiles.length - 1,
  }[event.key];
  if (to === undefined) return false;
  event.preventDefault();
  event.stopPropagation();
  tiles[Math.max(0, Math.min(tiles.length - 1, to))]?.focus();
  return true;
}
