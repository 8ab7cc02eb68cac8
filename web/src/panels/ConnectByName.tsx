import { Dialog } from "radix-ui";
import { useMemo, useState } from "react";
import { flushSync } from "react-dom";
import { endsOf, link, verdict } from "../canvas/gestures";
import { inputHandle, outputHandle } from "../model/layout";
import { filterTexts } from "../model/search";
import { shapeOf, titleOf } from "../model/shape";
import { currentGraph } from "../store/docs";
import { useTyped } from "../store/typedAhead";
import { useUi } from "../store/ui";
import { useFocusBack } from "./useFocusBack";

interface Offer {
  readonly key: string;
  readonly label: string;
  readonly make: () => void;
}

/** Links the selected node by the names of sockets: what C does, and the way to link without a mouse. */
export function ConnectByName() {
  const node = useUi((state) => state.naming);
  return node === undefined ? null : <Offers node={node} />;
}

const close = () => useUi.setState({ naming: undefined });

function Offers({ node }: { node: string }) {
  const focusBack = useFocusBack();
  const [text, setText] = useTyped();
  const [at, setAt] = useState(0);
  const offers = useMemo(() => offersFor(node), [node]);
  const found = filterTexts(offers, text, (one) => one.label);
  const pick = (offer: Offer | undefined) => {
    flushSync(close);
    offer?.make();
  };
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="palette" aria-describedby={undefined} {...focusBack}>
          <Dialog.Title className="unseen">Link by name</Dialog.Title>
          <input
            type="text"
            placeholder="Link to"
            aria-label="Link to"
            // biome-ignore lint/a11y/noAutofocus: it was asked for by a key, and the next keys are for it
            autoFocus
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
              setAt(0);
            }}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown") setAt(Math.min(found.length - 1, at + 1));
              else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
              else if (event.key === "Enter") pick(found[at]);
              else return;
              event.preventDefault();
            }}
          />
          <div className="list" role="listbox" aria-label="Sockets that fit">
            {found.slice(0, 100).map((one, i) => (
              <button
                type="button"
                role="option"
                tabIndex={-1}
                aria-selected={i === at}
                key={one.key}
                onClick={() => pick(one)}
              >
                {one.label}
              </button>
            ))}
            {!found.length && <p className="hint">No socket of another node fits.</p>}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function offersFor(id: string): readonly Offer[] {
  const around = currentGraph();
  const own = around.graph.nodes.get(id);
  if (!own) return [];
  const shape = shapeOf(own, around);
  const others = [...around.graph.nodes.values()]
    .filter((one) => one.id !== id)
    .map((node) => ({ node, shape: shapeOf(node, around) }));
  const outward = shape.outputs.flatMap((output, slot) =>
    others.flatMap((other) =>
      other.shape.inputs.flatMap((input) =>
        offer(
          `${output.name} → ${titleOf(other.node, other.shape)} · ${input.label}`,
          { node: id, handle: outputHandle(slot), side: "out" },
          { node: other.node.id, handle: inputHandle(input.name) },
        ),
      ),
    ),
  );
  const inward = shape.inputs.flatMap((input) =>
    others.flatMap((other) =>
      other.shape.outputs.flatMap((output, slot) =>
        offer(
          `${input.label} ← ${titleOf(other.node, other.shape)} · ${output.name}`,
          { node: id, handle: inputHandle(input.name), side: "in" },
          { node: other.node.id, handle: outputHandle(slot) },
        ),
      ),
    ),
  );
  const sockets = new Set(shape.inputs.filter((one) => !one.widget).map((one) => one.label));
  const rank = (one: Offer) =>
    one.label.includes("→") || [...sockets].some((name) => one.label.startsWith(`${name} ←`)) ? 0 : 1;
  return [...outward, ...inward].sort((a, b) => rank(a) - rank(b));
}

function offer(
  label: string,
  from: { node: string; handle: string; side: "in" | "out" },
  to: { node: string; handle: string },
): Offer[] {
  const ends = endsOf(from, to);
  return verdict(ends).ok
    ? [{ key: `${ends.from} ${ends.slot} ${ends.to} ${ends.input}`, label, make: () => void link(ends) }]
    : [];
}
