import { useStore } from "@xyflow/react";
import { Map as MapIcon, Maximize, Minus, Plus } from "lucide-react";
import { command } from "../store/commands";
import { useUi } from "../store/ui";

export function ZoomBar() {
  const zoom = useStore((state) => Math.round(state.transform[2] * 100));
  const minimap = useUi((state) => state.minimap);
  return (
    <div className="zoombar" role="toolbar" aria-label="View">
      <button
        type="button"
        className="icon"
        aria-label="Zoom out"
        title="Zoom out (-)"
        onClick={command("zoom-out").run}
      >
        <Minus size={14} />
      </button>
      <button type="button" className="zoom" title="Zoom to 100 % (1)" onClick={command("zoom-1").run}>
        {zoom} %
      </button>
      <button type="button" className="icon" aria-label="Zoom in" title="Zoom in (+)" onClick={command("zoom-in").run}>
        <Plus size={14} />
      </button>
      <button
        type="button"
        className="icon"
        aria-label="Show all"
        title="Show all (Home)"
        onClick={command("fit-all").run}
      >
        <Maximize size={14} />
      </button>
      <button
        type="button"
        className={minimap ? "icon on" : "icon"}
        aria-pressed={minimap}
        aria-label="Minimap"
        title="Minimap"
        onClick={command("minimap").run}
      >
        <MapIcon size={14} />
      </button>
    </div>
  );
}
