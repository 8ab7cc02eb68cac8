import { type ImageRef, imageUrl } from "../api/rest";
import { useUi } from "../store/ui";

export function PictureStrip({ images }: { images: readonly ImageRef[] }) {
  if (!images.length) return null;
  const items = images.map((image) => ({ image }));
  return (
    <div className="strip">
      {images.slice(0, 6).map((image, at) => (
        <button
          type="button"
          key={`${image.subfolder}/${image.filename}`}
          aria-label={`Enlarge ${image.filename}`}
          onClick={() => useUi.setState({ lightbox: { items, at } })}
        >
          <img src={imageUrl(image, "webp")} alt={image.filename} loading="lazy" />
        </button>
      ))}
    </div>
  );
}
