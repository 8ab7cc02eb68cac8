import type { Brush } from "./brush";
import type { Point } from "./view";

/** What is drawn with the pointer: strokes, or the outline of what is filled. */
export type Shape = "brush" | "rectangle" | "lasso";

/** The outline of the area that a drag through these points encloses. */
export function outline(shape: Shape, points: readonly Point[]): readonly Point[] {
  const [first] = points;
  const last = points[points.length - 1];
  if (shape !== "rectangle" || !first || !last) return points;
  return [first, { x: last.x, y: first.y }, last, { x: first.x, y: last.y }];
}

/** Paints the area, or erases in it. */
export function fillArea(context: CanvasRenderingContext2D, points: readonly Point[], brush: Brush): void {
  if (points.length < 3) return;
  context.save();
  context.globalCompositeOperation = brush.erase ? "destination-out" : "source-over";
  context.fillStyle = brush.tint;
  context.beginPath();
  for (const { x, y } of points) context.lineTo(x, y);
  context.closePath();
  context.fill("evenodd");
  context.restore();
}
