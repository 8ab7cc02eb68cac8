import { type Theme, useUi } from "./ui";

/* What a person can set, in the words of the settings and of the palette. */

export const THEMES: readonly (readonly [Theme, string])[] = [
  ["dark", "Dark"],
  ["light", "Light"],
  ["system", "System"],
];

export interface Toggle {
  readonly key: "minimap" | "snap" | "trackpad" | "straight" | "everywhere";
  readonly label: string;
  readonly hint: string;
}

export const TOGGLES: readonly Toggle[] = [
  { key: "minimap", label: "Minimap", hint: "The whole graph in the corner; drag in it to move." },
  { key: "snap", label: "Snap to the grid", hint: "Hold Alt while dragging to place freely." },
  { key: "trackpad", label: "Trackpad", hint: "Two fingers pan; pinch or Ctrl zooms." },
  { key: "straight", label: "Straight links", hint: "Right angles in place of curves." },
  { key: "everywhere", label: "Links from everywhere", hint: "Always drawn, not only for what is selected." },
];

export const setTheme = (theme: Theme) => useUi.setState({ theme });
export const setToggle = (key: Toggle["key"], on: boolean) => useUi.setState({ [key]: on });
