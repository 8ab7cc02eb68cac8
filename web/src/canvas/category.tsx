import {
  Box,
  CircleHelp,
  Database,
  Eye,
  Image,
  Layers,
  type LucideIcon,
  NotebookText,
  Shuffle,
  SlidersHorizontal,
  Sparkles,
  Type,
  Workflow,
} from "lucide-react";
import type { NodeShape } from "../model/shape";
import { socketColour } from "../model/types";

/** The colour of what the node makes, so that a graph reads by colour before any word is read. */
export function categoryColour(shape: NodeShape): string {
  if (shape.kind === "note") return "var(--t-CLIP)";
  if (shape.kind === "unknown") return "var(--err)";
  const type = shape.outputs[0]?.type ?? shape.inputs.find((one) => !one.widget)?.type;
  return type ? socketColour(type) : "var(--line-strong)";
}

const ICONS: readonly (readonly [RegExp, LucideIcon])[] = [
  [/sampl/i, Sparkles],
  [/load|model/i, Database],
  [/condition|text|string/i, Type],
  [/mask|preprocess/i, Eye],
  [/image|pictur/i, Image],
  [/latent/i, Shuffle],
  [/logic|util|math/i, SlidersHorizontal],
];

export function CategoryIcon({ shape }: { shape: NodeShape }) {
  const Icon = iconFor(shape);
  return <Icon size={14} className="category" aria-hidden />;
}

function iconFor(shape: NodeShape): LucideIcon {
  if (shape.kind === "note") return NotebookText;
  if (shape.kind === "subgraph") return Layers;
  if (shape.kind === "unknown") return CircleHelp;
  if (shape.kind === "ends" || shape.kind === "primitive") return Workflow;
  return ICONS.find(([pattern]) => pattern.test(shape.category))?.[1] ?? Box;
}
