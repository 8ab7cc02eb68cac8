import { Dialog } from "radix-ui";
import { type Fact, inputsOf, outputsOf } from "../model/about";
import { placedNode } from "../model/shape";
import { socketColour } from "../model/types";
import { currentGraph } from "../store/docs";
import { useUi } from "../store/ui";
import { CategoryIcon } from "./category";

/** What a node does, takes and gives, as its class says it. */
export default function NodeHelp() {
  const id = useUi((state) => state.help);
  const around = currentGraph();
  const placed = id === undefined ? undefined : placedNode(around, around.at, id);
  if (!placed) return null;
  const { node, shape } = placed;
  const close = () => useUi.setState({ help: undefined });
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog node-help" aria-describedby={undefined}>
          <Dialog.Title>
            <CategoryIcon shape={shape} /> {shape.title}
          </Dialog.Title>
          <p className="hint">
            {shape.kind === "subgraph" ? "Subgraph" : node.type}
            {shape.category && ` · ${shape.category}`}
          </p>
          {shape.description && <p className="about">{shape.description}</p>}
          <Facts title="Takes" facts={inputsOf(shape)} />
          <Facts title="Gives" facts={outputsOf(shape)} />
          <footer>
            <button type="button" className="run" onClick={close}>
              Close
            </button>
          </footer>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Facts({ title, facts }: { title: string; facts: readonly Fact[] }) {
  if (!facts.length) return null;
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {facts.map(({ name, type, rules, about }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <b style={{ color: socketColour(type) }}>{type === "*" ? "anything" : type}</b>
              {rules && ` · ${rules}`}
              {about && <p>{about}</p>}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
