import {
  FolderOpen,
  Images,
  LayoutTemplate,
  ListTree,
  ListVideo,
  type LucideIcon,
  PanelRight,
  Search as SearchIcon,
  Settings2,
  Shapes,
  SlidersHorizontal,
} from "lucide-react";
import { openSearch } from "../store/focus";
import { type LeftPanel, type RightPanel, togglePanel, useUi } from "../store/ui";

const LEFT: readonly (readonly [LeftPanel, string, LucideIcon])[] = [
  ["templates", "Templates", LayoutTemplate],
  ["workflows", "Saved workflows", FolderOpen],
  ["nodes", "Node library", Shapes],
  ["outline", "Outline", ListTree],
];

const RIGHT: readonly (readonly [RightPanel, string, LucideIcon])[] = [
  ["form", "Form", SlidersHorizontal],
  ["gallery", "Gallery", Images],
  ["queue", "Queue", ListVideo],
  ["inspector", "Inspector", PanelRight],
];

export function Rail() {
  const left = useUi((state) => state.left);
  const right = useUi((state) => state.right);
  return (
    <nav className="rail" aria-label="Panels">
      <button type="button" className="icon" title="Add a node (Tab)" aria-label="Add a node" onClick={openSearch}>
        <SearchIcon size={18} />
      </button>
      <hr />
      {LEFT.map(([panel, label, Icon]) => (
        <RailButton
          key={panel}
          label={label}
          Icon={Icon}
          on={left === panel}
          onClick={() => togglePanel("left", panel)}
        />
      ))}
      <hr />
      {RIGHT.map(([panel, label, Icon]) => (
        <RailButton
          key={panel}
          label={label}
          Icon={Icon}
          on={right === panel}
          onClick={() => togglePanel("right", panel)}
        />
      ))}
      <span className="spring" />
      <RailButton label="Settings" Icon={Settings2} on={false} onClick={() => useUi.setState({ settings: true })} />
    </nav>
  );
}

function RailButton({
  label,
  Icon,
  on,
  onClick,
}: {
  label: string;
  Icon: LucideIcon;
  on: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      className={on ? "icon on" : "icon"}
      title={label}
      aria-label={label}
      aria-pressed={on}
      onClick={onClick}
    >
      <Icon size={18} />
    </button>
  );
}
