import { ViewportPortal } from "@xyflow/react";
import type { Spacing } from "../model/guides";
import { useUi } from "../store/ui";

/** The lines along which what is dragged lies with others, the gaps that it makes equal, and the stroke of the knife. */
export function Guides() {
  const guides = useUi((state) => state.guides);
  const spacings = useUi((state) => state.spacings);
  const knife = useUi((state) => state.knife);
  if (!guides.length && !spacings.length && !knife) return null;
  return (
    <ViewportPortal>
      <svg className="guides" aria-hidden="true">
        {guides.map(({ axis, at, from, to }) =>
          axis === "x" ? (
            <line key={`x${at}`} x1={at} x2={at} y1={from} y2={to} />
          ) : (
            <line key={`y${at}`} y1={at} y2={at} x1={from} x2={to} />
          ),
        )}
        {spacings.map((one) => (
          <Gap key={`${one.axis}${one.from}`} {...one} />
        ))}
        {knife && <polyline className="knife" points={knife.map(({ x, y }) => `${x},${y}`).join(" ")} />}
      </svg>
    </ViewportPortal>
  );
}

const TICK = 5;

/** A gap between two nodes, with how wide it is. */
function Gap({ axis, at, from, to }: Spacing) {
  const across = axis === "x";
  const path = across
    ? `M${from},${at - TICK}v${2 * TICK}M${from},${at}H${to}M${to},${at - TICK}v${2 * TICK}`
    : `M${at - TICK},${from}h${2 * TICK}M${at},${from}V${to}M${at - TICK},${to}h${2 * TICK}`;
  const middle = (from + to) / 2;
  return (
    <g className="spacing">
      <path d={path} />
      <text x={across ? middle : at + 8} y={across ? at - 7 : middle} textAnchor={across ? "middle" : "start"}>
        {Math.round(to - from)}
      </text>
    </g>
  );
}
