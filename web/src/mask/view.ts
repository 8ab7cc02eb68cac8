/** How the picture lies on the stage: where its corner is, and how large a pixel of it. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

const SMALLEST = 0.05;
const LARGEST = 20;
const MARGIN = 24;

/** The whole picture, in the middle. */
export function fitted(stage: Size, picture: Size): View {
  const room = { width: stage.width - 2 * MARGIN, height: stage.height - 2 * MARGIN };
  return centred(stage, picture, Math.min(room.width / picture.width, room.height / picture.height));
}

export function centred(stage: Size, picture: Size, wanted: number): View {
  const scale = Math.min(LARGEST, Math.max(SMALLEST, wanted));
  return { scale, x: (stage.width - picture.width * scale) / 2, y: (stage.height - picture.height * scale) / 2 };
}

/** Zoomed so that what is at the point stays there. */
export function zoomedAt(view: View, at: Point, by: number): View {
  const scale = Math.min(LARGEST, Math.max(SMALLEST, view.scale * by));
  const real = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * real, y: at.y - (at.y - view.y) * real };
}

export function panned(view: View, by: Point): View {
  return { ...view, x: view.x + by.x, y: view.y + by.y };
}

/** The point of the picture that is at a point of the stage. */
export function inPicture(view: View, at: Point): Point {
  return { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
}

/** What two fingers that went from one pair of points to another did to the view. */
export function pinched(view: View, from: readonly [Point, Point], to: readonly [Point, Point]): View {
  const middle = ([a, b]: readonly [Point, Point]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const apart = ([a, b]: readonly [Point, Point]) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
  const [was, is] = [middle(from), middle(to)];
  return zoomedAt(panned(view, { x: is.x - was.x, y: is.y - was.y }), is, apart(to) / apart(from));
}
