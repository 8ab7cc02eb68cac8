import { X } from "lucide-react";
import { lazy, Suspense, useRef } from "react";
import { Guard } from "../Guard";
import { type LeftPanel, type RightPanel, useUi } from "../store/ui";
import { PANEL_WIDTH, PanelEdge } from "./PanelEdge";

const PANELS = {
  outline: { title: "Outline", View: lazy(() => import("./Outline")) },
  nodes: { title: "Nodes", View: lazy(() => import("./NodeLibrary")) },
  workflows: { title: "Workflows", View: lazy(() => import("./Workflows")) },
  templates: { title: "Templates", View: lazy(() => import("./Templates")) },
  queue: { title: "Queue", View: lazy(() => import("./Queue")) },
  gallery: { title: "Gallery", View: lazy(() => import("./Gallery")) },
  form: { title: "Form", View: lazy(() => import("../form/FormPage")) },
  inspector: { title: "Inspector", View: lazy(() => import("./Inspector")) },
} as const;

export function Panels() {
  const left = useUi((state) => state.left);
  const right = useUi((state) => state.right);
  return (
    <>
      {left && <Panel side="left" panel={left} />}
      {right && <Panel side="right" panel={right} />}
    </>
  );
}

function Panel({ side, panel }: { side: "left" | "right"; panel: LeftPanel | RightPanel }) {
  const { title, View } = PANELS[panel];
  const aside = useRef<HTMLElement>(null);
  const width = useUi((state) => state[`${side}Width`]) ?? PANEL_WIDTH;
  return (
    <aside
      ref={aside}
      id={`panel-${side}`}
      className={`panel ${side}`}
      aria-label={title}
      style={{ "--width": `${width}px` } as React.CSSProperties}
    >
      <PanelEdge side={side} title={title} width={width} panel={aside} />
      <header>
        <h2>{title}</h2>
        <button
          type="button"
          className="icon"
          aria-label={`Close ${title}`}
          onClick={() => useUi.setState({ [side]: undefined })}
        >
          <X size={16} />
        </button>
      </header>
      <div className="panel-body">
        <Guard of={panel} instead={(error) => <p role="alert">This panel cannot be shown: {error.message}</p>}>
          <Suspense fallback={<p className="hint">…</p>}>
            <View />
          </Suspense>
        </Guard>
      </div>
    </aside>
  );
}
