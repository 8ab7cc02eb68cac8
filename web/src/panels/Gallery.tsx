import { Star } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { getHistory, type HistoryEntry, type ImageRef, imageUrl, THUMBNAIL } from "../api/rest";
import { useExec } from "../store/exec";
import { report, useUi } from "../store/ui";
import { isStarred, toggleStar } from "./stars";

const PAGE = 60;

export interface Shown {
  readonly image: ImageRef;
  readonly entry: HistoryEntry;
}

/** Every picture that the server remembers making, the newest first. */
export default function Gallery() {
  const finished = useExec((state) => state.finished);
  const [limit, setLimit] = useState(PAGE);
  const [entries, setEntries] = useState<readonly HistoryEntry[]>();
  const [starredOnly, setStarredOnly] = useState(false);
  const [stars, setStars] = useState(0);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => void getHistory(limit).then(setEntries, report), [limit, finished]);
  const all = useMemo(() => picturesOf(entries ?? []), [entries]);
  const shown = useMemo(
    () => (starredOnly ? all.filter((one) => isStarred(one.image)) : all),
    [all, starredOnly, stars],
  );
  useEffect(() => {
    const target = end.current;
    if (!target || (entries?.length ?? 0) < limit) return;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && setLimit(limit + PAGE));
    watch.observe(target);
    return () => watch.disconnect();
  }, [entries, limit]);
  const items = shown.map((one) => ({ image: one.image, job: one.entry.id }));
  return (
    <>
      <label className="check">
        <input
          type="checkbox"
          checked={starredOnly}
          onChange={(event) => setStarredOnly(event.currentTarget.checked)}
        />{" "}
        Starred only
      </label>
      <div className="gallery">
        {shown.map(({ image }, at) => (
          <div key={`${image.type}/${image.subfolder}/${image.filename}`} className="tile">
            <button
              type="button"
              className="tile-picture"
              aria-label={`Enlarge ${image.filename}`}
              draggable
              onDragStart={(event) => event.dataTransfer.setData("application/x-sfumato-image", JSON.stringify(image))}
              onClick={() => useUi.setState({ lightbox: { items, at } })}
              onKeyDown={(event) => walk(event)}
            >
              <img src={imageUrl(image, THUMBNAIL)} alt={image.filename} loading="lazy" draggable={false} />
            </button>
            <button
              type="button"
              className={isStarred(image) ? "icon star on" : "icon star"}
              aria-pressed={isStarred(image)}
              aria-label={`Star ${image.filename}`}
              onClick={() => {
                toggleStar(image);
                setStars(stars + 1);
              }}
            >
              <Star size={13} />
            </button>
          </div>
        ))}
      </div>
      <div ref={end} />
      {entries && !shown.length && (
        <p className="hint">{starredOnly ? "Nothing is starred." : "What you make appears here."}</p>
      )}
    </>
  );
}

export function picturesOf(entries: readonly HistoryEntry[]): readonly Shown[] {
  const seen = new Set<string>();
  return entries.flatMap((entry) =>
    Object.values(entry.outputs).flatMap((output) =>
      (output.images ?? []).flatMap((image) => {
        // A picture taken from the cache is in the history of each job that asked for it.
        const key = `${image.type}/${image.subfolder}/${image.filename}`;
        if (seen.has(key) || image.type !== "output") return [];
        seen.add(key);
        return [{ image, entry }];
      }),
    ),
  );
}

function walk(event: React.KeyboardEvent<HTMLElement>): void {
  const tiles = [...(event.currentTarget.closest(".gallery")?.querySelectorAll<HTMLElement>(".tile-picture") ?? [])];
  const at = tiles.indexOf(event.currentTarget);
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 2, ArrowUp: -2 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  tiles[Math.max(0, Math.min(tiles.length - 1, at + by))]?.focus();
}
