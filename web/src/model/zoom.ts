/* A picture under a zoom: `scale` 1 is the picture fitted to its stage, x and y are from the middle of the stage. */

export interface Zoom {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export const FITTED: Zoom = { x: 0, y: 0, scale: 1 };
const LEAST_SCALE = 0.2;
const MOST_PIXELS = 40;

/** How many pixels of the screen one of the picture takes when it is fitted. */
export function fitOf(picture: Size, stage: Size, padding: number): number {
  if (!picture.width || !picture.height) return 1;
  const width = Math.max(1, stage.width - 2 * padding);
  const height = Math.max(1, stage.height - 2 * padding);
  return Math.min(width / picture.width, height / picture.height);
}

/** Zoomed by a factor, with what is under a point staying there. */
export function zoomedAt(zoom: Zoom, by: number, at: { readonly x: number; readonly y: number }, fit: number): Zoom {
  const most = Math.max(1, MOST_PIXELS / fit);
  const scale = Math.min(most, Math.max(Math.min(LEAST_SCALE, 1 / fit), zoom.scale * by));
  const real = scale / zoom.scale;
  return { scale, x: at.x - (at.x - zoom.x) * real, y: at.y - (at.y - zoom.y) * real };
}

export const isFitted = ({ x, y, scale }: Zoom) => x === 0 && y === 0 && scale === 1;
