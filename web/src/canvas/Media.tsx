import { ChevronLeft, ChevronRight, Image, Paintbrush } from "lucide-react";
import { memo, useEffect, useRef, useState } from "react";
import { type ImageRef, imageFromName, imageUrl } from "../api/rest";
import type { GraphNode } from "../model/document";
import { uploadName } from "../model/layout";
import type { NodeShape } from "../model/shape";
import { activeTab } from "../store/docs";
import { hasPreview, setAspect, useExec, watchPreview } from "../store/exec";
import { usePresence } from "../store/pictures";
import { useUi } from "../store/ui";
import { MissingPicture } from "./MissingPicture";

/** As sharp as a node can be seen: a hundred pictures of a camera's size would fill the memory. */
const SHOWN = 1024;

/** The picture for a node; what may move is shown as it is. */
const shownUrl = (image: ImageRef) => imageUrl(image, /\.(png|jpe?g)$/i.test(image.filename) ? SHOWN : undefined);

interface Props {
  readonly node: GraphNode;
  readonly shape: NodeShape;
  readonly path: string;
  readonly style: React.CSSProperties;
}

/** What the node shows: its results, else what it is making now, else the picture it will load. */
export const Media = memo(function Media({ node, shape, path, style }: Props) {
  const tab = activeTab().id;
  const images = useExec((state) => state.runs[tab]?.images[path]);
  const text = useExec((state) => state.runs[tab]?.texts[path]);
  const live = useExec((state) => (state.runs[tab] ? hasPreview(state.runs[tab], path) : false));
  const upload = uploadName(node, shape);
  if (!images?.length && !live && !text && !upload)
    return (
      <div className="row media waiting" style={style}>
        <Image size={28} strokeWidth={1.25} aria-hidden="true" />
      </div>
    );
  return (
    <div className="row media nodrag" style={style}>
      {images?.length ? <Results images={images} tab={tab} path={path} /> : null}
      {!images?.length && live && <Live tab={tab} path={path} />}
      {!images?.length && !live && text && <pre className="result-text nowheel">{text}</pre>}
      {!images?.length && !live && !text && upload && <Loaded name={upload} tab={tab} path={path} shape={shape} />}
    </div>
  );
});

function Results({
  images,
  tab,
  path,
}: {
  images: readonly { filename: string; subfolder: string; type: string }[];
  tab: string;
  path: string;
}) {
  const [at, setAt] = useState(0);
  const job = useExec((state) => state.runs[tab]?.makers[path]);
  const shown = images[Math.min(at, images.length - 1)];
  if (!shown) return null;
  const items = images.map((image) => ({ image, job }));
  return (
    <>
      <button
        type="button"
        className="picture"
        aria-label="Enlarge the picture"
        onClick={() => useUi.setState({ lightbox: { items, at } })}
      >
        <img
          src={shownUrl(shown)}
          alt={shown.filename}
          draggable={false}
          decoding="async"
          onLoad={(event) => setAspect(tab, path, event.currentTarget.naturalWidth / event.currentTarget.naturalHeight)}
        />
      </button>
      {images.length > 1 && (
        <nav className="pager" aria-label="Pictures">
          <button
            type="button"
            className="icon"
            aria-label="Previous picture"
            onClick={() => setAt((at + images.length - 1) % images.length)}
          >
            <ChevronLeft size={14} />
          </button>
          {at + 1} / {images.length}
          <button
            type="button"
            className="icon"
            aria-label="Next picture"
            onClick={() => setAt((at + 1) % images.length)}
          >
            <ChevronRight size={14} />
          </button>
        </nav>
      )}
    </>
  );
}

/** The newest preview, drawn once a frame at most. */
function Live({ tab, path }: { tab: string; path: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let next: ImageBitmap | undefined;
    let frame = 0;
    const draw = () => {
      frame = 0;
      const target = canvas.current;
      if (!target || !next || next.width === 0) return;
      if (target.width !== next.width || target.height !== next.height) {
        target.width = next.width;
        target.height = next.height;
      }
      target.getContext("2d")?.drawImage(next, 0, 0);
    };
    const stop = watchPreview(tab, path, (image) => {
      next = image;
      if (!frame) frame = requestAnimationFrame(draw);
    });
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [tab, path]);
  return <canvas ref={canvas} className="live" aria-label="Preview of what is being made" role="img" />;
}

function Loaded({ name, tab, path, shape }: { name: string; tab: string; path: string; shape: NodeShape }) {
  const [broken, setBroken] = useState<string>();
  const widget = shape.widgets.find((one) => one.upload);
  const { folder = "input", options = NONE } = widget ?? {};
  const presence = usePresence(name, folder, options);
  const image = imageFromName(name, folder);
  if (presence === "missing" || broken === name)
    return (
      <MissingPicture name={name} path={path} widget={widget?.name ?? "image"} folder={folder} options={options} />
    );
  if (presence === "unknown") return null;
  return (
    <>
      <button
        type="button"
        className="picture"
        aria-label="Enlarge the picture"
        onClick={() => useUi.setState({ lightbox: { items: [{ image }], at: 0 } })}
      >
        <img
          src={shownUrl(image)}
          alt={name}
          draggable={false}
          decoding="async"
          onError={() => setBroken(name)}
          onLoad={(event) => setAspect(tab, path, event.currentTarget.naturalWidth / event.currentTarget.naturalHeight)}
        />
      </button>
      <button
        type="button"
        className="icon over"
        title="Paint a mask"
        aria-label="Paint a mask"
        onClick={() => useUi.setState({ mask: { node: path, widget: widget?.name ?? "image", image } })}
      >
        <Paintbrush size={14} />
      </button>
    </>
  );
}

const NONE: readonly never[] = [];
