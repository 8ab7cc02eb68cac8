import type { NodeId } from "../model/document";
import { type GraphId, graphsOf } from "../model/document";
import { setValue, surroundings } from "../model/edits";
import type { Integer } from "../model/integer";
import type { Prompt } from "../model/prompt";
import { shapeOf } from "../model/shape";
import { activeTab, docOf, edit, locate } from "./docs";
import { useLibrary } from "./library";
import { toast } from "./ui";

export interface UsedSeed {
  readonly path: string;
  readonly widget: string;
  readonly value: Integer;
}

/** The seeds with which a job ran. */
export function seedsOf(prompt: Prompt): readonly UsedSeed[] {
  const { catalogue } = useLibrary.getState();
  return Object.entries(prompt).flatMap(([path, node]) =>
    (catalogue.get(node.class_type)?.widgets ?? []).flatMap((widget) => {
      const value = node.inputs[widget.name];
      return widget.control && (typeof value === "number" || typeof value === "bigint")
        ? [{ path, widget: widget.name, value }]
        : [];
    }),
  );
}

interface Place {
  readonly at: GraphId;
  readonly id: NodeId;
  readonly widget: string;
}

/** Sets the seeds of a job in the workflow in view, and keeps them there: by node, or where there is but one. */
export function takeSeeds(used: readonly UsedSeed[]): void {
  const places = seedPlaces();
  const pairs = used.flatMap((seed) => {
    const found = locate(docOf(activeTab()), seed.path);
    const same = places.find((one) => one.at === found?.at && one.id === found?.id && one.widget === seed.widget);
    const only = used.length === 1 && places.length === 1 ? places[0] : undefined;
    const place = same ?? only;
    return place ? [{ place, seed }] : [];
  });
  if (!pairs.length) {
    toast("The workflow in view has no such sampler.", "error");
    return;
  }
  edit("use a seed", (doc) =>
    pairs.reduce((next, { place: { at, id, widget }, seed }) => {
      const set = setValue(next, at, id, widget, seed.value);
      return setValue(set, at, id, `${widget}:control`, "fixed");
    }, doc),
  );
  toast(`Seed ${pairs.map(({ seed }) => seed.value).join(", ")} is set, and kept after a run.`);
}

function seedPlaces(): readonly Place[] {
  const doc = docOf(activeTab());
  const { catalogue } = useLibrary.getState();
  return graphsOf(doc).flatMap(([at, graph]) =>
    [...graph.nodes.values()].flatMap((node) =>
      shapeOf(node, surroundings(doc, at, catalogue))
        .widgets.filter((widget) => widget.control && !widget.inner && widget.kind === "int")
        .map((widget) => ({ at, id: node.id, widget: widget.name })),
    ),
  );
}
