import { Ellipsis, FileJson, FolderOpen } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { type DragEvent, useEffect, useMemo, useState } from "react";
import { deleteWorkflow, listWorkflows, type SavedFile } from "../api/rest";
import { TitleField } from "../canvas/TitleField";
import { newest } from "../model/order";
import { filterTexts } from "../model/search";
import { splitPath, treeOf } from "../model/tree";
import { command } from "../store/commands";
import { activeTab, useDocs } from "../store/docs";
import { moveSaved, openSaved } from "../store/files";
import { ask, report, toast } from "../store/ui";
import { Drafts } from "./Drafts";
import { Tree } from "./Tree";
import { when } from "./when";

const DRAGGED = "application/x-sfumato-file";

/** The workflows saved on the server, in their folders. */
export default function Workflows() {
  const [files, setFiles] = useState<readonly SavedFile[]>();
  const [text, setText] = useState("");
  const [renaming, setRenaming] = useState<string>();
  const saved = useDocs((state) => activeTab(state).saved);
  const read = useMemo(() => newest(listWorkflows, setFiles, report), []);
  useEffect(() => void read(), [read, saved]);
  const tree = useMemo(() => {
    const found = filterTexts(files ?? [], text, (one) => one.path);
    const sorted = [...found].sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
    return treeOf(sorted, (one) => splitPath(one.path)[0]);
  }, [files, text]);
  const move = (from: string, to: string) => void moveSaved(from, to).then(read);
  const remove = (path: string) => void removeSaved(path).then(read);
  const dropIn = (event: DragEvent, folder: string) => {
    event.preventDefault();
    event.stopPropagation();
    const path = event.dataTransfer.getData(DRAGGED);
    if (path && splitPath(path)[0] !== folder) move(path, [folder, splitPath(path)[1]].filter(Boolean).join("/"));
  };
  return (
    <>
      <div className="panel-actions">
        <button type="button" className="quiet" onClick={command("save").run}>
          Save
        </button>
        <button type="button" className="quiet" onClick={command("save-as").run}>
          Save as
        </button>
        <button type="button" className="quiet" onClick={command("open").run}>
          <FolderOpen size={14} /> Open a file
        </button>
      </div>
      <input
        className="filter"
        type="text"
        placeholder="Filter"
        aria-label="Filter workflows"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <section
        className="files"
        aria-label="On the server"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => dropIn(event, "")}
      >
        <Tree
          folder={tree}
          open={text !== ""}
          keyOf={(one) => one.path}
          onDropIn={dropIn}
          row={(one) =>
            renaming === one.path ? (
              <TitleField
                value={withoutEnding(one.path)}
                label="Folder and name"
                onDone={(path) => {
                  setRenaming(undefined);
                  if (path?.trim()) move(one.path, path.trim());
                }}
              />
            ) : (
              <FileRow file={one} onRename={() => setRenaming(one.path)} onRemove={() => remove(one.path)} />
            )
          }
        />
      </section>
      {files && tree.count === 0 && (
        <p className="hint">
          {files.length ? "Nothing fits." : "Nothing is saved yet. Ctrl+S saves the workflow in view."}
        </p>
      )}
      <Drafts />
    </>
  );
}

const withoutEnding = (path: string) => path.replace(/\.json$/, "");

interface RowProps {
  readonly file: SavedFile;
  readonly onRename: () => void;
  readonly onRemove: () => void;
}

function FileRow({ file: { path, modified }, onRename, onRemove }: RowProps) {
  const name = withoutEnding(splitPath(path)[1]);
  return (
    <div className="file-row">
      <button
        type="button"
        className="file"
        draggable
        onDragStart={(event) => event.dataTransfer.setData(DRAGGED, path)}
        onClick={() => void openSaved(path)}
      >
        <FileJson size={14} aria-hidden />
        <span>{name}</span>
        <small>{when(modified)}</small>
      </button>
      <DropdownMenu.Root>
        <DropdownMenu.Trigger asChild>
          <button type="button" className="icon" aria-label={`What to do with ${withoutEnding(path)}`}>
            <Ellipsis size={14} />
          </button>
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          {/* The focus goes to what the choice opens, not back to the button. */}
          <DropdownMenu.Content className="menu" align="end" onCloseAutoFocus={(event) => event.preventDefault()}>
            <DropdownMenu.Item onSelect={() => void openSaved(path)}>Open</DropdownMenu.Item>
            <DropdownMenu.Item onSelect={onRename}>Rename or move</DropdownMenu.Item>
            <DropdownMenu.Separator />
            <DropdownMenu.Item onSelect={onRemove}>Delete</DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </div>
  );
}

async function removeSaved(path: string): Promise<void> {
  const sure = await ask({
    title: "Delete the workflow?",
    text: `${path} is deleted from the server. What is open here stays open.`,
    yes: "Delete",
  });
  if (!sure) return;
  try {
    await deleteWorkflow(path);
    toast(`Deleted ${path}.`);
  } catch (error) {
    report(error);
  }
}
