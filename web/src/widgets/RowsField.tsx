import { MoreVertical, Plus } from "lucide-react";
import { DropdownMenu, Popover } from "radix-ui";
import { lazy, Suspense, useRef, useState } from "react";
import { numeric } from "../model/integer";
import type { Json } from "../model/json";
import { isOn, movedRow, newRow, type Row, rowsIn, withRows } from "../model/rows";
import type { RowsSchema, WidgetSchema } from "../model/schema";
import { ChoiceField } from "./ChoiceField";
import { NumberField } from "./NumberField";
import { keepKeys } from "./WidgetControl";

const Options = lazy(() => import("./Options"));

interface Props {
  readonly label: string;
  readonly rows: RowsSchema;
  readonly value: Json;
  readonly onChange: (value: Json) => void;
  /** For what goes on for a while: a scrub, a burst of typing. */
  readonly onDuring: (value: Json, cell: string) => void;
  readonly onDone: () => void;
}

/** A list of rows, each with the same few fields: to switch, choose, set, add, move and remove. */
export default function RowsField({ label, rows, value, onChange, onDuring, onDone }: Props) {
  const list = useRef<HTMLFieldSetElement>(null);
  const held = rowsIn(rows, value);
  const put = (next: readonly Row[]) => onChange(withRows(rows, value, next));
  const focus = (place: number) =>
    requestAnimationFrame(() => {
      const menus = list.current?.querySelectorAll<HTMLElement>("[data-row-menu]") ?? [];
      const menu = menus[Math.min(place, menus.length - 1)];
      (menu ?? list.current?.querySelector<HTMLElement>(".add-row"))?.focus();
    });
  const move = (from: number, to: number) => {
    const next = movedRow(held, from, to);
    if (next === held) return false;
    put(next);
    focus(to);
    return true;
  };
  return (
    <fieldset className="rows" aria-label={label} ref={list}>
      {held.map((row, i) => (
        <div
          key={i}
          className={isOn(rows, row) ? "rows-row" : "rows-row off"}
          // Before the row's menu, which any arrow opens.
          onKeyDownCapture={(event) => {
            const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
            if (by === undefined || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            event.stopPropagation();
            move(i, i + by);
          }}
        >
          {rows.cells
            .filter((cell) => !isEmpty(cell, row))
            .map((cell) => (
              <CellField
                key={cell.name}
                cell={cell}
                label={`${cell.label} ${i + 1}`}
                value={row[cell.name] ?? cell.default}
                onChange={(next) => put(held.with(i, { ...row, [cell.name]: next }))}
                onDuring={(next) =>
                  onDuring(withRows(rows, value, held.with(i, { ...row, [cell.name]: next })), `${i} ${cell.name}`)
                }
                onDone={onDone}
              />
            ))}
          <RowMenu
            name={`Row ${i + 1} of ${held.length}`}
            rows={rows}
            row={row}
            first={i === 0}
            last={i === held.length - 1}
            onMove={(by) => move(i, i + by)}
            onChange={(next) => put(held.with(i, next))}
            onRemove={() => {
              put(held.toSpliced(i, 1));
              focus(i);
            }}
          />
        </div>
      ))}
      <AddRow rows={rows} full={held.length >= rows.places.length} onAdd={(row) => put([...held, row])} />
    </fieldset>
  );
}

const isEmpty = (cell: WidgetSchema, row: Row) => cell.optional && (row[cell.name] ?? null) === null;

interface CellProps {
  readonly cell: WidgetSchema;
  readonly label: string;
  readonly value: Json;
  readonly onChange: (value: Json) => void;
  readonly onDuring: (value: Json) => void;
  readonly onDone: () => void;
}

function CellField({ cell, label, value, onChange, onDuring, onDone }: CellProps) {
  if (cell.kind === "toggle")
    return (
      <button
        type="button"
        role="switch"
        className="row-switch"
        aria-label={label}
        aria-checked={value === true}
        title={label}
        onClick={() => onChange(value !== true)}
      >
        <i className={value === true ? "switch on" : "switch"} />
      </button>
    );
  if (cell.kind === "choice") return <ChoiceField widget={cell} label={label} value={value} onChange={onChange} />;
  if (cell.kind === "text")
    return (
      <label className="field line">
        <span className="label">{label}</span>
        <input
          type="text"
          value={String(value ?? "")}
          placeholder={cell.placeholder ?? cell.label}
          onChange={(event) => onDuring(event.currentTarget.value)}
          onBlur={onDone}
          onKeyDown={keepKeys}
        />
      </label>
    );
  return <NumberField label={label} widget={cell} value={numeric(value)} onChange={onDuring} onDone={onDone} />;
}

interface RowMenuProps {
  readonly name: string;
  readonly rows: RowsSchema;
  readonly row: Row;
  readonly first: boolean;
  readonly last: boolean;
  readonly onMove: (by: number) => void;
  readonly onChange: (row: Row) => void;
  readonly onRemove: () => void;
}

/** What else can be done with a row. After a move or a removal the focus is led on by who asked for it. */
function RowMenu({ name, rows, row, first, last, onMove, onChange, onRemove }: RowMenuProps) {
  const led = useRef(false);
  const leading = (then: () => void) => () => {
    led.current = true;
    then();
  };
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="icon row-menu" data-row-menu aria-label={name} title={name}>
          <MoreVertical size={14} />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="menu"
          align="end"
          sideOffset={4}
          onCloseAutoFocus={(event) => {
            if (led.current) event.preventDefault();
            led.current = false;
          }}
        >
          {rows.cells
            .filter((cell) => cell.optional)
            .map((cell) => {
              const empty = isEmpty(cell, row);
              return (
                <DropdownMenu.Item
                  key={cell.name}
                  onSelect={() => onChange({ ...row, [cell.name]: empty ? cell.default : null })}
                >
                  {`${empty ? "Set" : "Clear"} ${cell.label}`}
                </DropdownMenu.Item>
              );
            })}
          {!first && (
            <DropdownMenu.Item onSelect={leading(() => onMove(-1))}>
              Move up <kbd>Alt ↑</kbd>
            </DropdownMenu.Item>
          )}
          {!last && (
            <DropdownMenu.Item onSelect={leading(() => onMove(1))}>
              Move down <kbd>Alt ↓</kbd>
            </DropdownMenu.Item>
          )}
          <DropdownMenu.Item onSelect={leading(onRemove)}>Remove</DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** Where the rows begin with a choice, it is made before there is a row. */
function AddRow({ rows, full, onAdd }: { rows: RowsSchema; full: boolean; onAdd: (row: Row) => void }) {
  const [open, setOpen] = useState(false);
  const choice = rows.cells.find((cell) => cell.kind === "choice");
  const button = (
    <button
      type="button"
      className="field add-row"
      disabled={full}
      title={full ? `No more than ${rows.places.length} rows` : undefined}
      onClick={choice ? undefined : () => onAdd(newRow(rows))}
    >
      <Plus size={12} /> {rows.add}
    </button>
  );
  if (!choice) return button;
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger asChild>{button}</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="popover options nowheel" align="start" sideOffset={4} collisionPadding={8}>
          <Suspense>
            <Options
              widget={choice}
              value={choice.default}
              missing={false}
              onPick={(value) => {
                setOpen(false);
                onAdd(newRow(rows, { [choice.name]: value }));
              }}
            />
          </Suspense>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
