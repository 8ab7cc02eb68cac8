import { Dialog } from "radix-ui";
import { useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { listTemplates, listWorkflows, type SavedFile, type Template } from "../api/rest";
import { addNode } from "../model/edits";
import { filterTexts } from "../model/search";
import { COMMANDS, keyLabel } from "../store/commands";
import { edit } from "../store/docs";
import { openSaved, openTemplate } from "../store/files";
import { placeHere } from "../store/focus";
import { keysNow } from "../store/keys";
import { useLibrary } from "../store/library";
import { setTheme, setToggle, THEMES, TOGGLES } from "../store/settings";
import { useTyped } from "../store/typedAhead";
import { select, useUi } from "../store/ui";
import { useFocusBack } from "./useFocusBack";

interface Entry {
  readonly key: string;
  readonly label: string;
  readonly group: string;
  readonly keys?: string;
  readonly run: () => void;
}

const SHOWN = 80;

/** Everything that can be done, in one list: commands, settings, templates, saved workflows and nodes. */
export default function Palette() {
  const catalogue = useLibrary((state) => state.catalogue);
  const [text, setText] = useTyped();
  const [at, setAt] = useState(0);
  const [templates, setTemplates] = useState<readonly Template[]>([]);
  const [saved, setSaved] = useState<readonly SavedFile[]>([]);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void listTemplates().then(setTemplates, () => undefined);
    void listWorkflows().then(setSaved, () => undefined);
  }, []);
  const entries = useMemo((): readonly Entry[] => {
    const commands = COMMANDS.map((one) => ({
      key: one.id,
      label: one.label,
      group: one.group,
      keys: keysNow(one)[0],
      run: one.run,
    }));
    const fromTemplates = templates.map((one) => ({
      key: `t${one.name}`,
      label: one.title || one.name,
      group: "Template",
      run: () => void openTemplate(one),
    }));
    const fromSaved = saved.map((one) => ({
      key: `w${one.path}`,
      label: one.path,
      group: "Workflow",
      run: () => void openSaved(one.path),
    }));
    const nodes = [...catalogue.values()].map((one) => ({
      key: `n${one.type}`,
      label: one.title,
      group: "Add node",
      run: () => addHere(one.type),
    }));
    return [...commands, ...settingsNow(), ...fromTemplates, ...fromSaved, ...nodes];
  }, [catalogue, templates, saved]);
  const found = useMemo(() => filterTexts(entries, text, (one) => one.label).slice(0, SHOWN), [entries, text]);
  useEffect(() => {
    void list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [at, found]);
  const focusBack = useFocusBack();
  const close = () => useUi.setState({ palette: false });
  const pick = (entry: Entry | undefined) => {
    // The list is gone and the focus back before it is done: a key pressed next comes after it.
    flushSync(close);
    entry?.run();
  };
  return (
    <Dialog.Root open onOpenChange={close}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="palette" aria-describedby={undefined} {...focusBack}>
          <Dialog.Title className="unseen">Command palette</Dialog.Title>
          <input
            type="text"
            placeholder="What do you want to do?"
            aria-label="Command"
            aria-controls="palette-list"
            aria-activedescendant={found[at] && `palette-${at}`}
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
          <div className="list" id="palette-list" role="listbox" ref={list} aria-label="Commands">
            {found.map((one, i) => (
              <button
                type="button"
                role="option"
                tabIndex={-1}
                id={`palette-${i}`}
                aria-selected={i === at}
                key={one.key}
                onClick={() => pick(one)}
                onPointerMove={() => setAt(i)}
              >
                <span>{one.label}</span>
                <small>{one.group}</small>
                {one.keys && <kbd>{keyLabel(one.keys)}</kbd>}
              </button>
            ))}
            {!found.length && <p className="hint">Nothing of that name.</p>}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** Each setting as it would be after picking it. */
function settingsNow(): readonly Entry[] {
  const ui = useUi.getState();
  return [
    ...THEMES.filter(([theme]) => theme !== ui.theme).map(([theme, label]) => ({
      key: `theme ${theme}`,
      label: `Theme: ${label.toLowerCase()}`,
      group: "Setting",
      run: () => setTheme(theme),
    })),
    ...TOGGLES.map(({ key, label }) => ({
      key: `set ${key}`,
      label: `${label}: ${ui[key] ? "off" : "on"}`,
      group: "Setting",
      run: () => setToggle(key, !ui[key]),
    })),
  ];
}

function addHere(type: string): void {
  const { place } = placeHere();
  edit("add node", (doc, at) => {
    const [next, id] = addNode(doc, at, type, {
      x: Math.round(place.x / 16) * 16,
      y: Math.round(place.y / 16) * 16 + 32,
    });
    select([id]);
    return next;
  });
}
