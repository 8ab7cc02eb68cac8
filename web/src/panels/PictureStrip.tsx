import { useState } from "react";
import { type ImageRef, imageUrl, THUMBNAIL } from "../api/rest";
import { type LightboxItem, useUi } from "../store/ui";
import { dragPicture } from "./dragPicture";

const SHOWN = 6;

/** A row of small pictures to enlarge or to drag to the canvas; the last one says how many more there are. */
export function PictureStrip({ items }: { items: readonly LightboxItem[] }) {
  if (!items.length) return null;
  return (
    <div className="strip">
      {items.slice(0, SHOWN).map(({ image }, at) => (
        <Stamp
          key={`${image.type}/${image.subfolder}/${image.filename}`}
          image={image}
          more={at === SHOWN - 1 ? items.length - SHOWN : 0}
          onOpen={() => useUi.setState({ lightbox: { items, at } })}
        />
      ))}
    </div>
  );
}

/** A picture whose file is no longer there is left out. */
function Stamp({ image, more, onOpen }: { image: ImageRef; more: number; onOpen: () => void }) {
  const [gone, setGone] = useState(false);
  if (gone) return null;
  return (
    <button
      type="button"
      aria-label={`Enlarge ${image.filename}`}
      draggable
      onDragStart={(event) => dragPicture(event, image)}
      onClick={onOpen}
    >
      <img
        src={imageUrl(image, THUMBNAIL)}
        alt={image.filename}
        loading="lazy"
        draggable={false}
        onError={() => setGone(true)}
      />
      {more > 0 && <span className="more-pictures">+{more}</span>}
    </button>
  );
}
