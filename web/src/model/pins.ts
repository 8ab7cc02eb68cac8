import { type Doc, type GraphId, graphOf, type NodeId, ROOT } from "./document";

/* The widgets that the form shows. */

export function togglePin(doc: Doc, node: string, widget: string): Doc {
  const form = doc.form.filter((pin) => !(pin.node === node && pin.widget === widget));
  return { ...doc, form: form.length === doc.form.length ? [...form, { node, widget }] : form };
}

export function movePin(doc: Doc, from: number, to: number): Doc {
  const form = [...doc.form];
  const [pin] = form.splice(from, 1);
  if (!pin || to < 0 || to > form.length) return doc;
  form.splice(to, 0, pin);
  return { ...doc, form };
}

/** Names a pinned widget; with nothing, it is called what the widget is called. */
export function labelPin(doc: Doc, node: string, widget: string, label: string): Doc {
  const form = doc.form.map((pin) => {
    if (pin.node !== node || pin.widget !== widget) return pin;
    return label.trim() ? { node, widget, label: label.trim() } : { node, widget };
  });
  return { ...doc, form };
}

/** Names the pins of nodes of a graph anew, at whatever depth: a node's path there, or nothing where it goes. */
export function movePins(doc: Doc, at: GraphId, path: (id: NodeId) => readonly NodeId[] | undefined): Doc {
  const form = doc.form.flatMap((pin) => {
    const node = movedPath(doc, at, pin.node.split(":"), path);
    return node === undefined ? [] : node === pin.node ? [pin] : [{ ...pin, node }];
  });
  return form.length === doc.form.length && form.every((pin, i) => pin === doc.form[i]) ? doc : { ...doc, form };
}

function movedPath(
  doc: Doc,
  at: GraphId,
  parts: readonly NodeId[],
  path: (id: NodeId) => readonly NodeId[] | undefined,
): string | undefined {
  const moved: NodeId[] = [];
  let graph = ROOT;
  for (const id of parts) {
    const steps = graph === at ? path(id) : [id];
    if (!steps) return undefined;
    moved.push(...steps);
    graph = graphOf(doc, graph).nodes.get(id)?.type ?? "";
  }
  return moved.join(":");
}
