import { ViewportPortal } from "@xyflow/react";
import { useUi } from "../store/ui";

/** The lines along which what is dragged lies with other nodes. */
export function Guides() {
  const guides = useUi((state) => state.guides);
  if (!guides.length) return null;
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
      </svg>
    </ViewportPortal>
  );
}
