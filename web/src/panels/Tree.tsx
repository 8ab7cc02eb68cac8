import { ChevronRight } from "lucide-react";
import { type DragEvent, Fragment, type Key, type ReactNode } from "react";
import type { Folder } from "../model/tree";

interface Props<T> {
  readonly folder: Folder<T>;
  readonly keyOf: (item: T) => Key;
  readonly row: (item: T) => ReactNode;
  /** Whether all is unfolded, as while one filters. */
  readonly open: boolean;
  /** Takes what is dropped on a folder. */
  readonly onDropIn?: (event: DragEvent, path: string) => void;
}

/** Folders that unfold, and what is in them. */
export function Tree<T>({ folder, keyOf, row, open, onDropIn }: Props<T>) {
  return (
    <>
      {folder.folders.map((one) => (
        <details key={`${one.path} ${open}`} className="folder" open={open || undefined}>
          <summary
            onDragOver={onDropIn && ((event) => event.preventDefault())}
            onDrop={onDropIn && ((event) => onDropIn(event, one.path))}
          >
            <ChevronRight size={14} aria-hidden />
            <span>{one.name}</span>
            <small>{one.count}</small>
          </summary>
          <Tree folder={one} keyOf={keyOf} row={row} open={open} onDropIn={onDropIn} />
        </details>
      ))}
      {folder.items.map((item) => (
        <Fragment key={keyOf(item)}>{row(item)}</Fragment>
      ))}
    </>
  );
}
