import { FolderOpen, Trash2 } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { deleteWorkflow, listWorkflows, type SavedFile } from "../api/rest";
import { filterTexts } from "../model/search";
import { command } from "../store/commands";
import { activeTab, useDocs } from "../store/docs";
import { openSaved } from "../store/files";
import { ask, report, toast } from "../store/ui";
import { Drafts } from "./Drafts";
import { when } from "./when";

/** The workflows saved on the server, by folder. */
export default function Workflows() {
  const [files, setFiles] = useState<readonly SavedFile[]>();
  const [text, setText] = useState("");
  const saved = useDocs((state) => activeTab(state).saved);
  const read = useCallback(() => listWorkflows().then(setFiles, report), []);
  useEffect(() => void read(), [read, saved]);
  const found = filterTexts(
    [...(files ?? [])].sort((a, b) => a.path.localeCompare(b.path)),
    text,
    (one) => one.path,
  );
  const remove = async (path: string) => {
    const sure = await ask({
      title: "Delete the workflow?",
      text: `${path} is deleted from the server. What is open here stays open.`,
      yes: "Delete",
    });
    if (!sure) return;
    try {
      await deleteWorkflow(path);
      toast(`Deleted ${path}.`);
      await read();
    } catch (error) {
      report(error);
    }
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
      <ul className="files">
        {found.map((one) => (
          <li key={one.path}>
            <button type="button" className="file" onClick={() => void openSaved(one.path)}>
              {one.path.replace(/\.json$/, "")}
              <small>{when(one.modified)}</small>
            </button>
            <button
              type="button"
              className="icon"
              aria-label={`Delete ${one.path}`}
              onClick={() => void remove(one.path)}
            >
              <Trash2 size={14} />
            </button>
          </li>
        ))}
      </ul>
      {files && !found.length && (
        <p className="hint">
          {files.length ? "Nothing fits." : "Nothing is saved yet. Ctrl+S saves the workflow in view."}
        </p>
      )}
      <Drafts />
    </>
  );
}
