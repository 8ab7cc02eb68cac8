import { Download, GitCompareArrows, LayoutGrid, Star, X } from "lucide-react";
import { ContextMenu } from "radix-ui";
import { loadResult } from "../store/files";
import { forgetJob } from "../store/queue";
import { compare, downloadImages, openWorkflowOf, pinOrCompare, takeSeedsOf } from "../store/results";
import { toggleStars, useIsStarred } from "../store/stars";
import { useUi } from "../store/ui";
import type { Shown } from "./Gallery";

/** What can be done with the pictures that were chosen. */
export function ChosenBar({ chosen, onClear }: { chosen: readonly Shown[]; onClear: () => void }) {
  const images = chosen.map((one) => one.image);
  const [a, b] = images;
  return (
    <div className="chosen-bar" role="toolbar" aria-label="Chosen pictures">
      <strong>{chosen.length} chosen</strong>
      {chosen.length === 2 && a && b && (
        <button type="button" className="icon" title="Compare" aria-label="Compare" onClick={() => compare(a, b)}>
          <GitCompareArrows size={16} />
        </button>
      )}
      {chosen.length > 1 && (
        <button
          type="button"
          className="icon"
          title="Contact sheet"
          aria-label="Contact sheet"
          onClick={() => useUi.setState({ sheet: chosen.map(({ image, entry }) => ({ image, prompt: entry.prompt })) })}
        >
          <LayoutGrid size={16} />
        </button>
      )}
      <button type="button" className="icon" title="Star" aria-label="Star" onClick={() => toggleStars(images)}>
        <Star size={16} />
      </button>
      <button
        type="button"
        className="icon"
        title="Download"
        aria-label="Download"
        onClick={() => void downloadImages(images)}
      >
        <Download size={16} />
      </button>
      <button type="button" className="icon" title="Choose none" aria-label="Choose none" onClick={onClear}>
        <X size={16} />
      </button>
    </div>
  );
}

/** The menu of a picture. */
export function PictureMenu({ shown: { image, entry } }: { shown: Shown }) {
  const starred = useIsStarred(image);
  const items: readonly (readonly [label: string, run: () => void, keys?: string])[] = [
    ["Open its workflow", () => openWorkflowOf(entry, image)],
    ["Use its seed", () => takeSeedsOf(entry)],
    ["Use as an input", () => void loadResult(image)],
    ["Compare", () => pinOrCompare(image), "C"],
    [starred ? "Take its star" : "Star", () => toggleStars([image]), "S"],
    ["Download", () => void downloadImages([image]), "D"],
    ["Take out of the history", () => void forgetJob(entry.id, [image]), "Del"],
  ];
  return items.map(([label, run, keys]) => (
    // What is opened would lose the focus to the menu that closes.
    <ContextMenu.Item key={label} onSelect={() => requestAnimationFrame(run)}>
      {label}
      {keys && <kbd>{keys}</kbd>}
    </ContextMenu.Item>
  ));
}
