import type { Sketch } from "../api/rest";
import { bounds } from "../model/edits";
import { socketColour } from "../model/types";

/** How much of the picture is left free at its edge. */
const MARGIN = 0.07;
/** Wider ones are drawn taller than they are: a row of nodes would be a thin line. */
const WIDEST = 1.4;
const TALLEST = 2;

/** A graph seen from afar: boxes and links in the colours of their types. */
export function SketchView({ sketch: { boxes: nodes, lines } }: { sketch: Sketch }) {
  const real = bounds(nodes);
  if (!real) return null;
  const stretch = Math.min(TALLEST, Math.max(1, real.width / real.height / WIDEST));
  const boxes = nodes.map((box) => ({ ...box, y: box.y * stretch, height: box.height * stretch }));
  const all = { ...real, y: real.y * stretch, height: real.height * stretch };
  const side = Math.max(all.width, all.height);
  const room = side * MARGIN;
  const view = [all.x - room, all.y - room, all.width + 2 * room, all.height + 2 * room];
  return (
    <svg className="sketch" viewBox={view.join(" ")} aria-hidden="true">
      {lines.map(({ start, end, type }, i) => {
        const [from, to] = [boxes[start], boxes[end]];
        if (!from || !to) return null;
        const [x, y, toY] = [from.x + from.width, from.y + from.height / 2, to.y + to.height / 2];
        const bend = Math.max(40, (to.x - x) / 2);
        const path = `M${x} ${y}C${x + bend} ${y} ${to.x - bend} ${toY} ${to.x} ${toY}`;
        return <path key={i} d={path} stroke={socketColour(type)} />;
      })}
      {boxes.map((box, i) => (
        <rect key={i} {...shape(box)} rx={side / 60} fill={socketColour(box.type)} />
      ))}
    </svg>
  );
}

const shape = ({ x, y, width, height }: Sketch["boxes"][number]) => ({ x, y, width, height });
