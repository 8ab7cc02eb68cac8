import { ContextMenu } from "radix-ui";
import { useEffect, useMemo, useRef, useState } from "react";
import { getHistory, type HistoryEntry, type ImageRef } from "../api/rest";
import { useExec } from "../store/exec";
import { readFolder, usePictures } from "../store/pictures";
import { keyOfImage, toggleStars, useStars } from "../store/stars";
import { report, useUi } from "../store/ui";
import { ChosenBar, PictureMenu } from "./GalleryActions";
import { Tile } from "./Tile";

const PAGE = 60;

export interface Shown {
  readonly image: ImageRef;
  readonly entry: HistoryEntry;
}

const none: ReadonlySet<string> = new Set();

/** Every picture that the server remembers making and still has, the newest first. */
export default function Gallery() {
  const { all, end } = useResults();
  const stars = useStars((state) => state.stars);
  const [starredOnly, setStarredOnly] = useState(false);
  const [chosen, setChosen] = useState(none);
  const [at, setAt] = useState(0);
  const [target, setTarget] = useState<Shown>();
  const shown = useMemo(
    () => (starredOnly ? all?.filter((one) => stars.has(keyOfImage(one.image))) : all) ?? [],
    [all, starredOnly, stars],
  );
  const picked = shown.filter((one) => chosen.has(keyOfImage(one.image)));
  const toggle = (image: ImageRef) => {
    const key = keyOfImage(image);
    setChosen(new Set(chosen.has(key) ? [...chosen].filter((one) => one !== key) : [...chosen, key]));
  };
  const open = (index: number) =>
    useUi.setState({
      lightbox: { items: shown.map((one) => ({ image: one.image, job: one.entry.id })), at: index },
    });
  return (
    <>
      {picked.length > 0 ? (
        <ChosenBar chosen={picked} onClear={() => setChosen(none)} />
      ) : (
        <label className="check">
          <input
            type="checkbox"
            checked={starredOnly}
            onChange={(event) => setStarredOnly(event.currentTarget.checked)}
          />{" "}
          Starred only
        </label>
      )}
      <ContextMenu.Root modal={false}>
        <ContextMenu.Trigger asChild>
          <fieldset
            className={picked.length ? "gallery choosing" : "gallery"}
            aria-label="Pictures"
            onContextMenu={(event) => {
              const key = (event.target as HTMLElement).closest<HTMLElement>("[data-key]")?.dataset.key;
              const found = shown.find((one) => keyOfImage(one.image) === key);
              if (found) setTarget(found);
              else event.preventDefault();
            }}
          >
            {shown.map((one, i) => (
              <Tile
                key={keyOfImage(one.image)}
                shown={one}
                starred={stars.has(keyOfImage(one.image))}
                chosen={chosen.has(keyOfImage(one.image))}
                reached={i === Math.min(at, shown.length - 1)}
                onFocus={() => setAt(i)}
                onOpen={() => (picked.length ? toggle(one.image) : open(i))}
                onChoose={() => toggle(one.image)}
                onStar={() => toggleStars([one.image])}
              />
            ))}
          </fieldset>
        </ContextMenu.Trigger>
        <ContextMenu.Portal>
          <ContextMenu.Content className="menu">{target && <PictureMenu shown={target} />}</ContextMenu.Content>
        </ContextMenu.Portal>
      </ContextMenu.Root>
      <div ref={end} />
      {all && !shown.length && (
        <p className="hint">{starredOnly ? "Nothing is starred." : "What you make appears here."}</p>
      )}
    </>
  );
}

/** The pictures of the history, more of them whenever the end of the list comes into view. */
function useResults() {
  const news = useExec((state) => state.finished + state.queueNews);
  const files = usePictures((state) => state.names);
  const [limit, setLimit] = useState(PAGE);
  const [entries, setEntries] = useState<readonly HistoryEntry[]>();
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let late = false;
    const read = async () => {
      const next = await getHistory(limit);
      // The lists of files come first, so that no picture is asked for whose file is gone.
      await Promise.all(foldersOf(next).map(readFolder));
      if (!late) setEntries(next);
    };
    read().catch(report);
    return () => {
      late = true;
    };
  }, [limit, news]);
  useEffect(() => {
    const target = end.current;
    if (!target || (entries?.length ?? 0) < limit) return;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && setLimit(limit + PAGE));
    watch.observe(target);
    return () => watch.disconnect();
  }, [entries, limit]);
  const all = useMemo(
    () =>
      entries &&
      picturesOf(entries).filter(({ image }) =>
        files[image.subfolder ? `output/${image.subfolder}` : "output"]?.includes(image.filename),
      ),
    [entries, files],
  );
  return { all, end };
}

function foldersOf(entries: readonly HistoryEntry[]): readonly ImageRef[] {
  const folders = new Set(picturesOf(entries).map(({ image }) => image.subfolder));
  return [...folders].map((subfolder) => ({ type: "output", subfolder, filename: "" }));
}

export function picturesOf(entries: readonly HistoryEntry[]): readonly Shown[] {
  const seen = new Set<string>();
  return entries.flatMap((entry) =>
    Object.values(entry.outputs).flatMap((output) =>
      (output.images ?? []).flatMap((image) => {
        // A picture taken from the cache is in the history of each job that asked for it.
        const key = keyOfImage(image);
        if (seen.has(key) || image.type !== "output") return [];
        seen.add(key);
        return [{ image, entry }];
      }),
    ),
  );
}
