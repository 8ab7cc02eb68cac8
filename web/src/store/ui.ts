import { create } from "zustand";
import type { ImageRef } from "../api/rest";
import type { NodeId } from "../model/document";
import type { Point } from "../model/edits";
import type { Guide, Spacing } from "../model/guides";
import { isObject, type Json } from "../model/json";
import type { ChosenKeys } from "../model/keys";
import type { Prompt } from "../model/prompt";
import { keepValue, keptValue } from "./kept";

export type LeftPanel = "outline" | "nodes" | "workflows" | "templates";
export type RightPanel = "queue" | "gallery" | "form" | "inspector";
export type Theme = "dark" | "light" | "system";

export interface SearchAt {
  /** Where on the screen, and where in the graph the node goes. */
  readonly screen: Point;
  readonly place: Point;
  /** The socket that the new node is linked to. */
  readonly from?: {
    readonly node: NodeId;
    readonly handle: string;
    readonly side: "in" | "out";
    readonly type: string;
  };
}

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly kind: "info" | "error" | "ok";
  readonly action?: ToastAction;
  /** How long it is to be seen; without it, until it is dismissed. */
  readonly ms?: number;
  /** What it is about, one by one. */
  readonly list?: readonly ToastAction[];
}

export interface ToastAction {
  readonly label: string;
  readonly run: () => void;
}

export interface Linking {
  readonly node: NodeId;
  readonly handle: string;
  readonly side: "in" | "out";
  readonly type: string;
  /** The link whose end is being moved. */
  readonly moved?: number;
  /** It was begun by a click or a tap, and goes on until the next. */
  readonly tapped?: boolean;
}

export interface Question {
  readonly title: string;
  readonly text: string;
  /** What the button says that does it. */
  readonly yes: string;
  readonly answer: (yes: boolean) => void;
}

export interface LightboxItem {
  readonly image: ImageRef;
  readonly job?: string;
}

interface Ui {
  readonly selection: ReadonlySet<NodeId>;
  readonly frames: ReadonlySet<number>;
  readonly links: ReadonlySet<number>;
  readonly linking?: Linking;
  readonly search?: SearchAt;
  readonly palette: boolean;
  readonly shortcuts: boolean;
  readonly settings: boolean;
  readonly left?: LeftPanel;
  readonly right?: RightPanel;
  /** How wide the panels of each side are, where somebody chose. */
  readonly leftWidth?: number;
  readonly rightWidth?: number;
  readonly theme: Theme;
  readonly minimap: boolean;
  readonly snap: boolean;
  readonly trackpad: boolean;
  /** Two fingers slide where others turn a wheel: seen by what they do. */
  readonly slides: boolean;
  readonly straight: boolean;
  /** Whether the links of "Use Everywhere" are always drawn. */
  readonly everywhere: boolean;
  /** Whether the browser keeps what is open, for after a reload or a crash. */
  readonly keeps: boolean;
  /** Whether the machine is to say when a run ends while the page is in the background. */
  readonly notify: boolean;
  readonly zen: boolean;
  readonly batch: number;
  readonly toasts: readonly Toast[];
  readonly renaming?: NodeId;
  /** The node whose sockets are linked by their names. */
  readonly naming?: NodeId;
  readonly renamingFrame?: number;
  /** The node whose class is explained. */
  readonly help?: NodeId;
  readonly unfolded: ReadonlySet<NodeId>;
  readonly lightbox?: { readonly items: readonly LightboxItem[]; readonly at: number };
  readonly compare?: { readonly a: ImageRef; readonly b: ImageRef };
  readonly pinnedA?: ImageRef;
  /** The pictures of a contact sheet, and what they were made of. */
  readonly sheet?: readonly { readonly image: ImageRef; readonly prompt: Prompt }[];
  readonly mask?: { readonly node: string; readonly widget: string; readonly image: ImageRef };
  readonly menu?: {
    readonly screen: Point;
    readonly place: Point;
    readonly node?: NodeId;
    readonly link?: number;
    readonly frame?: number;
  };
  /** The dialog that asks where to save: anew, or because what is there was changed by somebody else. */
  readonly saveAs?: { readonly tab: string; readonly taken: boolean };
  readonly question?: Question;
  /** A picture that was dropped and carries a workflow: what to do with it. */
  readonly dropped?: { readonly screen: Point; readonly name: string; readonly choices: readonly ToastAction[] };
  readonly trace?: { readonly title: string; readonly lines: readonly string[] };
  /** The link that the dragged node would be put into, and where its two sockets are. */
  readonly inserting?: { readonly link: number; readonly into: Point; readonly out: Point };
  readonly phoneGraph: boolean;
  /** Alt is held: what is dragged goes where the pointer goes, past the grid and the lines. */
  readonly free: boolean;
  /** A rule of CSS that shows what the pointer is at. */
  readonly hint?: string;
  /** Lines that what is dragged lies along. */
  readonly guides: readonly Guide[];
  /** Gaps that it makes as wide as others. */
  readonly spacings: readonly Spacing[];
  /** The stroke that is drawn to cut links. */
  readonly knife?: readonly Point[];
  readonly keys: ChosenKeys;
}

const KEPT = "sfumato.settings";
const KEYS = [
  "theme",
  "minimap",
  "snap",
  "trackpad",
  "straight",
  "everywhere",
  "notify",
  "left",
  "right",
  "leftWidth",
  "rightWidth",
  "keys",
] as const;

function kept(): Partial<Ui> {
  const value = keptValue(KEPT) as Json;
  return isObject(value) ? (value as Partial<Ui>) : {};
}

const none: ReadonlySet<never> = new Set<never>();

export const useUi = create<Ui>(() => ({
  selection: none,
  frames: none,
  links: none,
  palette: false,
  shortcuts: false,
  settings: false,
  theme: "system",
  minimap: true,
  snap: true,
  trackpad: false,
  slides: false,
  straight: false,
  everywhere: false,
  keeps: true,
  notify: false,
  zen: false,
  batch: 1,
  toasts: [],
  unfolded: none,
  phoneGraph: false,
  free: false,
  guides: [],
  spacings: [],
  keys: {},
  ...kept(),
}));

useUi.subscribe((state, before) => {
  if (KEYS.every((key) => state[key] === before[key])) return;
  const keep = Object.fromEntries(KEYS.map((key) => [key, state[key]]));
  keepValue(KEPT, keep);
});

let toastId = 0;
const TOAST_MS = 5000;

export function toast(text: string, kind: Toast["kind"] = "info", action?: ToastAction): void {
  show({ text, kind, action, ms: kind === "error" ? 2 * TOAST_MS : TOAST_MS });
}

/** Says several things that are wrong, each with a way to it. */
export function toastList(text: string, list: readonly ToastAction[]): void {
  show({ text, kind: "error", list });
}

/** Takes such lists away, since what they say may no longer be so. */
export function dropLists(): void {
  useUi.setState(({ toasts }) => ({ toasts: toasts.filter((one) => !one.list) }));
}

function show(message: Omit<Toast, "id">): void {
  const id = ++toastId;
  useUi.setState(({ toasts }) => ({
    toasts: [...toasts.filter((one) => one.text !== message.text).slice(-3), { id, ...message }],
  }));
}

/** Whether the person wants what is asked. */
export function ask(question: Omit<Question, "answer">): Promise<boolean> {
  return new Promise((answer) => useUi.setState({ question: { ...question, answer } }));
}

export function dismiss(id: number): void {
  useUi.setState((state) => ({ toasts: state.toasts.filter((one) => one.id !== id) }));
}

export function select(nodes: Iterable<NodeId>, links: Iterable<number> = [], frames: Iterable<number> = []): void {
  useUi.setState({ selection: new Set(nodes), links: new Set(links), frames: new Set(frames) });
}

export function togglePanel(side: "left" | "right", panel: LeftPanel | RightPanel): void {
  useUi.setState((state) => ({ [side]: state[side] === panel ? undefined : panel }));
}

export function report(error: unknown): void {
  toast(error instanceof Error ? error.message : String(error), "error");
}
