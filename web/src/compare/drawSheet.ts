/** A contact sheet as it is shown: rows of pictures by their number, with what is written beside them. */
export interface Drawn {
  readonly corner: readonly string[];
  readonly head?: readonly string[];
  readonly rows: readonly {
    readonly label?: string;
    readonly cells: readonly { readonly at: number; readonly label?: string }[];
  }[];
}

const CELL = 512;
const GAP = 16;
const LINE = 28;
const SIDE = 140;
const MOST_PIXELS = 8192;

/** The sheet as one PNG. */
export async function drawSheet(
  urls: readonly string[],
  { corner, head, rows }: Drawn,
  colours: CSSStyleDeclaration,
): Promise<Blob> {
  const images = await Promise.all(urls.map(load));
  const columns = Math.max(...rows.map((row) => row.cells.length));
  const largest = Math.max(...images.map((image) => Math.max(image.naturalWidth, image.naturalHeight)));
  const room = (MOST_PIXELS - SIDE) / Math.max(columns, rows.length) - GAP - LINE;
  const cell = Math.round(Math.min(CELL, Math.max(128, largest), room));
  const left = GAP + (rows.some((row) => row.label !== undefined) ? SIDE : 0);
  const top = GAP + (head ? 2 * LINE : 0);
  const captions = rows.some((row) => row.cells.some((one) => one.label !== undefined)) ? LINE : 0;
  const canvas = document.createElement("canvas");
  canvas.width = left + columns * (cell + GAP);
  canvas.height = top + rows.length * (cell + captions + GAP);
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("This browser draws no pictures.");
  pen.fillStyle = colours.getPropertyValue("--bg");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = colours.getPropertyValue("--text");
  pen.font = "16px 'Inter Variable', system-ui, sans-serif";
  pen.textBaseline = "middle";
  corner.forEach((line, i) => {
    pen.fillText(line, GAP, GAP + LINE * (i + 0.5), SIDE - GAP);
  });
  head?.forEach((label, i) => {
    pen.fillText(label, left + i * (cell + GAP), top - LINE, cell);
  });
  rows.forEach((row, r) => {
    const y = top + r * (cell + captions + GAP);
    if (row.label !== undefined) pen.fillText(row.label, GAP, y + cell / 2, SIDE - GAP);
    row.cells.forEach(({ at, label }, c) => {
      const image = images[at];
      if (!image) return;
      const x = left + c * (cell + GAP);
      const scale = Math.min(cell / image.naturalWidth, cell / image.naturalHeight);
      pen.imageSmoothingQuality = "high";
      pen.drawImage(image, x, y, image.naturalWidth * scale, image.naturalHeight * scale);
      if (label) pen.fillText(label, x, y + cell + LINE / 2, cell);
    });
  });
  return new Promise((done, failed) =>
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("The sheet is too large to be drawn.")))),
  );
}

async function load(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
