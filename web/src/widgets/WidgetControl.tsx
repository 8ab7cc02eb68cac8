import { lazy, Suspense } from "react";
import { randomSeed } from "../model/afterRun";
import { addLora } from "../model/completion";
import type { GraphId, GraphNode } from "../model/document";
import { setValue, writeText } from "../model/edits";
import { numeric } from "../model/integer";
import { type Json, readJson, writeJson } from "../model/json";
import { isTall } from "../model/layout";
import { controlOf, type WidgetShape } from "../model/shape";
import { activeTab, edit, editDuring, editingHere, endGesture } from "../store/docs";
import { runOf, useExec } from "../store/exec";
import { useLibrary } from "../store/library";
import { ChoiceField } from "./ChoiceField";
import { NumberField } from "./NumberField";
import { PromptField } from "./PromptField";
import { SeedControl } from "./SeedControl";

const RowsField = lazy(() => import("./RowsField"));

export interface ControlProps {
  /** The graph that the node is in: a form shows widgets of graphs that are not in view. */
  readonly at: GraphId;
  readonly id: string;
  readonly path: string;
  readonly node: GraphNode;
  readonly widget: WidgetShape;
  readonly value: Json;
  readonly label?: string;
}

/** The control for a widget, in a node, the inspector or the form. A scrub or a burst of typing is one step. */
export function WidgetControl(props: ControlProps) {
  const { at, id, node, path, widget, value } = props;
  const last = useExec((state) =>
    widget.control ? runOf(state, activeTab().id).seeds[`${path} ${widget.name}`] : undefined,
  );
  const label = props.label ?? widget.label;
  const during = (next: Json) =>
    editDuring(`${at} ${id} ${widget.name}`, `change ${widget.label}`, (doc) =>
      setValue(doc, at, id, widget.name, next),
    );
  const write = (text: string) =>
    editDuring(`${at} ${id} ${widget.name}`, `change ${widget.label}`, (doc) =>
      writeText(doc, at, id, { widget: widget.name, text }, useLibrary.getState().catalogue),
    );
  // A picture that is uploaded comes a while after it was chosen.
  const change = editingHere();
  const once = (next: Json) => change(`change ${widget.label}`, (doc) => setValue(doc, at, id, widget.name, next));
  if (widget.kind === "toggle") {
    const on = value === true;
    return (
      <button type="button" role="switch" aria-checked={on} className="field toggle" onClick={() => once(!on)}>
        <span className="label">{label}</span>
        <span className="state">{on ? (widget.on ?? "on") : (widget.off ?? "off")}</span>
        <i className={on ? "switch on" : "switch"} />
      </button>
    );
  }
  if (widget.rows)
    return (
      <Suspense>
        <RowsField
          label={label}
          rows={widget.rows}
          value={value}
          onChange={once}
          onDuring={(next, cell) =>
            editDuring(`${at} ${id} ${widget.name} ${cell}`, `change ${widget.label}`, (doc) =>
              setValue(doc, at, id, widget.name, next),
            )
          }
          onDone={endGesture}
        />
      </Suspense>
    );
  if (widget.kind === "choice") return <ChoiceField widget={widget} label={label} value={value} onChange={once} />;
  if (widget.kind === "text") {
    if (isTall(widget))
      return (
        <PromptField
          label={label}
          widget={widget}
          value={String(value ?? "")}
          onChange={write}
          onDone={endGesture}
          onLora={(lora) => edit(`add ${lora}`, (doc) => addLora(doc, at, id, lora))}
        />
      );
    return (
      <label className="field line">
        <span className="label">{label}</span>
        <input
          type="text"
          value={textOf(value)}
          placeholder={widget.placeholder}
          onChange={(event) => during(changedJson(event.currentTarget.value, value))}
          onBlur={endGesture}
          onKeyDown={keepKeys}
        />
      </label>
    );
  }
  const number = (
    <NumberField label={label} widget={widget} value={numeric(value)} onChange={during} onDone={endGesture} />
  );
  if (!widget.control) return number;
  const name = `${widget.name}:control`;
  return (
    <div className="seed">
      {number}
      <SeedControl
        last={last}
        onLast={() =>
          edit("use the last seed", (doc) =>
            setValue(setValue(doc, at, id, widget.name, last ?? 0), at, id, name, "fixed"),
          )
        }
        what={controlOf(node, widget)}
        onWhat={(next) => edit("change what follows a run", (doc) => setValue(doc, at, id, name, next))}
        onRoll={() => once(randomSeed(widget, Math.random))}
      />
    </div>
  );
}

/** What files hold of fields that no class describes may be any JSON. */
const textOf = (value: Json) => (typeof value === "object" && value !== null ? writeJson(value) : String(value ?? ""));

function changedJson(text: string, before: Json): Json {
  if (typeof before !== "object" || before === null) return text;
  try {
    return readJson(text) as Json;
  } catch {
    return before;
  }
}

export function keepKeys(event: React.KeyboardEvent<HTMLElement>): void {
  if (!(event.ctrlKey || event.metaKey)) event.stopPropagation();
  if (
    event.key === "Escape" ||
    (event.key === "Enter" && event.currentTarget instanceof HTMLInputElement && !event.ctrlKey)
  )
    event.currentTarget.blur();
}
