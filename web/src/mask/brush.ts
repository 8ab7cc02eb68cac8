export interface Brush {
  readonly size: number;
  /** 1 is a hard edge, 0 fades from the middle on. */
  readonly hardness: number;
  readonly erase: boolean;
  /** What painted places look like; only their alpha counts. */
  readonly tint: string;
}

export interface Dab {
  readonly x: number;
  readonly y: number;
  readonly pressure: number;
}

const SPACING = 0.12;

/** The places to dab on the way from one point to the next: close enough to read as one stroke. */
export function dabsBetween(from: Dab, to: Dab, size: number): readonly Dab[] {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const count = Math.max(1, Math.ceil(length / Math.max(1, size * SPACING)));
  return Array.from({ length: count }, (_, i) => {
    const t = (i + 1) / count;
    return {
      x: from.x + (to.x - from.x) * t,
      y: from.y + (to.y - from.y) * t,
      pressure: from.pressure + (to.pressure - from.pressure) * t,
    };
  });
}

export function paint(context: CanvasRenderingContext2D, dabs: readonly Dab[], brush: Brush): void {
  context.save();
  context.globalCompositeOperation = brush.erase ? "destination-out" : "source-over";
  for (const dab of dabs) {
    const radius = Math.max(0.5, (brush.size / 2) * (0.4 + 0.6 * dab.pressure));
    context.fillStyle = brush.hardness >= 0.99 ? brush.tint : fade(context, dab, radius, brush);
    context.beginPath();
    context.arc(dab.x, dab.y, radius, 0, 2 * Math.PI);
    context.fill();
  }
  context.restore();
}

function fade(
  context: CanvasRenderingContext2D,
  { x, y }: Dab,
  radius: number,
  { hardness, tint }: Brush,
): CanvasGradient {
  const gradient = context.createRadialGradient(x, y, radius * hardness, x, y, radius);
  gradient.addColorStop(0, `${tint}ff`);
  gradient.addColorStop(1, `${tint}00`);
  return gradient;
}

/** Turns painted into unpainted and the other way round. */
export function invert(context: CanvasRenderingContext2D, tint: string): void {
  const { width, height } = context.canvas;
  context.save();
  context.globalCompositeOperation = "source-out";
  context.fillStyle = tint;
  context.fillRect(0, 0, width, height);
  context.restore();
}

export function fill(context: CanvasRenderingContext2D, tint: string): void {
  context.fillStyle = tint;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
}

export function clear(context: CanvasRenderingContext2D): void {
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
}

/** Blurs the mask's edge over about `radius` pixels. */
export function feather(context: CanvasRenderingContext2D, radius: number): void {
  const { canvas } = context;
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  copy.getContext("2d")?.drawImage(canvas, 0, 0);
  clear(context);
  context.save();
  context.filter = `blur(${radius}px)`;
  context.drawImage(copy, 0, 0);
  context.restore();
}

/** The picture with the mask as holes in its alpha: what the server's mask upload reads. */
export async function withHoles(picture: CanvasImageSource, mask: HTMLCanvasElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = mask.width;
  canvas.height = mask.height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to draw on.");
  context.drawImage(picture, 0, 0);
  context.globalCompositeOperation = "destination-over";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(mask, 0, 0);
  return new Promise((done, fail) =>
    canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("The mask could not be encoded."))), "image/png"),
  );
}

/** The mask that a picture's alpha already holds, drawn as paint. */
export function fromAlpha(picture: CanvasImageSource, context: CanvasRenderingContext2D, tint: string): void {
  clear(context);
  fill(context, tint);
  context.save();
  context.globalCompositeOperation = "destination-out";
  context.drawImage(picture, 0, 0);
  context.restore();
}

/** Gives the paint another colour, and leaves its alpha as it is. */
export function recolour(context: CanvasRenderingContext2D, tint: string): void {
  context.save();
  context.globalCompositeOperation = "source-in";
  fill(context, tint);
  context.restore();
}
