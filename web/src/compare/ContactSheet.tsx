import { Download, X } from "lucide-react";
import { Dialog } from "radix-ui";
import { useState } from "react";
import { imageUrl } from "../api/rest";
import { type Sheet, sheetOf } from "../model/contactSheet";
import { focusItself } from "../panels/focusItself";
import { download } from "../store/files";
import { report, useUi } from "../store/ui";
import { type Drawn, drawSheet } from "./drawSheet";

const MOST_COLUMNS = 10;

/** The chosen pictures in one view: a table where two settings make one, else row after row. */
export default function ContactSheet() {
  const pictures = useUi((state) => state.sheet) ?? [];
  const sheet = sheetOf(pictures.map((one) => one.prompt));
  const [columns, setColumns] = useState(Math.min(MOST_COLUMNS, Math.ceil(Math.sqrt(pictures.length))));
  const close = () => useUi.setState({ sheet: undefined });
  const drawn = rowsOf(sheet, pictures.length, columns);
  const save = async () => {
    try {
      const urls = pictures.map((one) => imageUrl(one.image));
      download("contact sheet.png", await drawSheet(urls, drawn, getComputedStyle(document.documentElement)));
    } catch (error) {
      report(error);
    }
  };
  const style = { "--columns": sheet.table?.columns.length ?? columns } as React.CSSProperties;
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Content className="lightbox" aria-describedby={undefined} onOpenAutoFocus={focusItself}>
          <Dialog.Title className="unseen">Contact sheet</Dialog.Title>
          <header>
            <span>{pictures.length} pictures</span>
            <span className="spring" />
            {!sheet.table && (
              <label className="range">
                Columns
                <input
                  type="range"
                  min={1}
                  max={Math.min(MOST_COLUMNS, pictures.length)}
                  value={columns}
                  onChange={(event) => setColumns(Number(event.currentTarget.value))}
                />
              </label>
            )}
            <button type="button" className="quiet" onClick={() => void save()}>
              <Download size={14} /> Download as PNG
            </button>
            <button type="button" className="icon" title="Close" aria-label="Close" onClick={close}>
              <X size={16} />
            </button>
          </header>
          <section
            className={sheet.table ? "sheet table" : "sheet"}
            style={style}
            aria-label="Pictures"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no wheel scrolls by keys
            tabIndex={0}
          >
            {drawn.head && (
              <div className="sheet-row head">
                <span>
                  {drawn.corner.map((line) => (
                    <small key={line}>{line}</small>
                  ))}
                </span>
                {drawn.head.map((label) => (
                  <strong key={label}>{label}</strong>
                ))}
              </div>
            )}
            {drawn.rows.map((row) => (
              <div className="sheet-row" key={row.cells.map((cell) => cell.at).join()}>
                {row.label !== undefined && <strong>{row.label}</strong>}
                {row.cells.map(({ at, label }) => {
                  const one = pictures[at];
                  return (
                    one && (
                      <figure key={at}>
                        <img src={imageUrl(one.image)} alt={label || one.image.filename} draggable={false} />
                        {label !== undefined && <figcaption>{label || one.image.filename}</figcaption>}
                      </figure>
                    )
                  );
                })}
              </div>
            ))}
          </section>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function rowsOf({ table, labels }: Sheet, count: number, columns: number): Drawn {
  if (table)
    return {
      corner: [`${table.across} →`, `${table.down} ↓`],
      head: table.columns,
      rows: table.cells.map((cells, i) => ({ label: table.rows[i], cells: cells.map((at) => ({ at })) })),
    };
  const rows = Array.from({ length: Math.ceil(count / columns) }, (_, row) => ({
    cells: Array.from({ length: Math.min(columns, count - row * columns) }, (_, i) => ({
      at: row * columns + i,
      label: labels[row * columns + i] ?? "",
    })),
  }));
  return { corner: [], rows };
}
