import { type ImageRef, imageUrl, THUMBNAIL } from "../api/rest";
import { useThere } from "../store/pictures";
import { keyOfImage } from "../store/stars";
import { type LightboxItem, useUi } from "../store/ui";
import { dragPicture } from "./dragPicture";

const SHOWN = 6;

/** A row of small pictures to enlarge or to drag to the canvas; the last one says how many more there are. */
export function PictureStrip({ items: all }: { items: readonly LightboxItem[] }) {
  const there = new Set(useThere(all.map((one) => one.image)).map(keyOfImage));
  const items = all.filter((one) => there.has(keyOfImage(one.image)));
  if (!items.length) return null;
  return (
    <div className="strip">
      {items.slice(0, SHOWN).map(({ image }, at) => (
        <Stamp
          key={keyOfImage(image)}
          image={image}
          more={at === SHOWN - 1 ? items.length - SHOWN : 0}
          onOpen={() => useUi.setState({ lightbox: { items, at } })}
        />
      ))}
    </div>
  );
}

function Stamp({ image, more, onOpen }: { image: ImageRef; more: number; onOpen: () => void }) {
  return (
    <button
      type="button"
      aria-label={`Enlarge ${image.filename}`}
      draggable
      onDragStart={(event) => dragPicture(event, image)}
      onClick={onOpen}
    >
      <img src={imageUrl(image, THUMBNAIL)} alt={image.filename} loading="lazy" draggable={false} />
      {more > 0 && <span className="more-pictures">+{more}</span>}
    </button>
  );
}
