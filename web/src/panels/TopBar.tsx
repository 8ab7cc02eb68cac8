import { ChevronDown, Menu, Minus, Play, Plus, Square, X } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useEffect, useRef, useState } from "react";
import { RECONNECT } from "../api/ws";
import { TitleField } from "../canvas/TitleField";
import type { Command } from "../model/keys";
import { closeFindably, holdsUnsaved } from "../store/closing";
import { command, keyLabel } from "../store/commands";
import { newTab, renameTab, showTab, type Tab, useDocs } from "../store/docs";
import { progressOf, useExec } from "../store/exec";
import { useKeysOf } from "../store/keys";
import { cancel, run } from "../store/run";
import { useUi } from "../store/ui";
import { isMacKey } from "./keys";

export function TopBar() {
  const tabs = useDocs((state) => state.tabs);
  const active = useDocs((state) => state.active);
  return (
    <header className="topbar">
      <MainMenu />
      <nav
        className="tabs"
        aria-label="Open workflows"
        onWheel={(event) => event.currentTarget.scrollBy({ left: event.deltaX || event.deltaY })}
      >
        {tabs.map((tab) => (
          <TabButton key={tab.id} tab={tab} active={tab.id === active} />
        ))}
      </nav>
      <button type="button" className="icon" title="New workflow" aria-label="New workflow" onClick={newTab}>
        <Plus size={16} />
      </button>
      <span className="spring" />
      <RunCluster />
      <Progress />
    </header>
  );
}

const MENU: readonly (readonly string[])[] = [
  ["new", "open", "save", "save-as", "export", "export-api"],
  ["undo", "redo"],
  ["templates", "workflows", "gallery", "queue", "form"],
  ["theme", "settings", "shortcuts"],
];

function MainMenu() {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="icon brand" title="Menu" aria-label="Menu">
          <Menu size={16} />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" sideOffset={6}>
          {MENU.map((group, i) => (
            <DropdownMenu.Group key={group[0]}>
              {i > 0 && <DropdownMenu.Separator />}
              {group.map((id) => (
                <MenuCommand key={id} command={command(id)} />
              ))}
            </DropdownMenu.Group>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function MenuCommand({ command: one }: { command: Command }) {
  const [keys] = useKeysOf()(one);
  return (
    <DropdownMenu.Item onSelect={one.run}>
      {one.label}
      {keys && <kbd>{keyLabel(keys)}</kbd>}
    </DropdownMenu.Item>
  );
}

function TabButton({ tab, active }: { tab: Tab; active: boolean }) {
  const [renaming, setRenaming] = useState(false);
  const dirty = holdsUnsaved(tab);
  const running = useExec((state) =>
    Object.values(state.jobs).some((job) => job.tab === tab.id && job.state === "running"),
  );
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (active) place.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [active]);
  return (
    <div
      ref={place}
      className={active ? "tab active" : "tab"}
      title={tab.name}
      onAuxClick={(event) => event.button === 1 && closeFindably(tab)}
    >
      {renaming ? (
        <TitleField
          value={tab.name}
          label="Name of the workflow"
          onDone={(name) => {
            if (name?.trim()) renameTab(tab.id, name.trim());
            setRenaming(false);
          }}
        />
      ) : (
        <button
          type="button"
          aria-current={active ? "page" : undefined}
          className="tab-name"
          onClick={() => showTab(tab.id)}
          onDoubleClick={() => setRenaming(true)}
        >
          {running && <i className="pulse" />}
          <span>{tab.name}</span>
          {dirty && <i className="dirty" title="Not saved on the server" />}
        </button>
      )}
      <button type="button" className="icon close" aria-label={`Close ${tab.name}`} onClick={() => closeFindably(tab)}>
        <X size={12} />
      </button>
    </div>
  );
}

function RunCluster() {
  const batch = useUi((state) => state.batch);
  const remaining = useExec((state) => state.remaining);
  const current = useExec((state) => state.current);
  const online = useExec((state) => state.online || !state.connections);
  return (
    <div className="run-cluster">
      {!online && <Reconnecting />}
      {remaining > 0 && (
        <button type="button" className="quiet" onClick={() => useUi.setState({ right: "queue" })}>
          {remaining} in queue
        </button>
      )}
      {current && (
        <button
          type="button"
          className="icon stop"
          title="Cancel the run (Esc Esc)"
          aria-label="Cancel the run"
          onClick={() => void cancel()}
        >
          <Square size={14} />
        </button>
      )}
      <div className="run-button">
        <button
          type="button"
          className="run"
          onClick={() => void run()}
          title={`Run (${isMacKey ? "⌘" : "Ctrl"}+Enter)`}
        >
          <Play size={14} fill="currentColor" /> Run{batch > 1 ? ` × ${batch}` : ""}
        </button>
        <DropdownMenu.Root>
          <DropdownMenu.Trigger asChild>
            <button type="button" className="run more" aria-label="How to run">
              <ChevronDown size={14} />
            </button>
          </DropdownMenu.Trigger>
          <DropdownMenu.Portal>
            <DropdownMenu.Content className="menu" align="end" sideOffset={6}>
              <DropdownMenu.Label className="menu-label">How many</DropdownMenu.Label>
              {[1, 2, 4, 8, 16].map((count) => (
                <DropdownMenu.Item
                  key={count}
                  className={count === batch ? "chosen" : undefined}
                  onSelect={() => useUi.setState({ batch: count })}
                >
                  {count === 1 ? "Once" : `${count} times`}
                </DropdownMenu.Item>
              ))}
              <Count batch={batch} />
              <DropdownMenu.Separator />
              <MenuCommand command={command("run-front")} />
              <MenuCommand command={command("cancel")} />
            </DropdownMenu.Content>
          </DropdownMenu.Portal>
        </DropdownMenu.Root>
      </div>
    </div>
  );
}

const MOST = 999;

/** Any other number of runs, one more or one less at a time; the menu stays. */
function Count({ batch }: { batch: number }) {
  const change = (by: number) => (event: Event) => {
    event.preventDefault();
    useUi.setState({ batch: Math.max(1, Math.min(MOST, batch + by)) });
  };
  return (
    <div className="count">
      <DropdownMenu.Item aria-label="One run less" onSelect={change(-1)}>
        <Minus size={14} />
      </DropdownMenu.Item>
      <output>{batch} ×</output>
      <DropdownMenu.Item aria-label="One run more" onSelect={change(1)}>
        <Plus size={14} />
      </DropdownMenu.Item>
    </div>
  );
}

/** Says that the server is away, and when it is asked for again. */
function Reconnecting() {
  const retryAt = useExec((state) => state.retryAt);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const left = Math.ceil(Math.max(0, (retryAt ?? 0) - now) / 1000);
  return (
    <span className="offline">
      <span role="alert">Reconnecting…</span>
      {left > 1 && (
        <>
          {" "}
          in {left} s
          <button type="button" className="plain" onClick={() => document.dispatchEvent(new Event(RECONNECT))}>
            Try now
          </button>
        </>
      )}
    </span>
  );
}

/** The bar under the header, the percent in the window's title, and a dot in its icon. */
function Progress() {
  const progress = useExec(progressOf);
  const name = useDocs((state) => state.tabs.find((tab) => tab.id === state.active)?.name ?? "");
  const icon = useRef<string>(undefined);
  useEffect(() => {
    const percent = progress === undefined ? "" : `${Math.round(progress * 100)} % · `;
    document.title = `${percent}${name} · Sfumato`;
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (!link) return;
    icon.current ??= link.href;
    const wanted = progress === undefined ? icon.current : icon.current.replace("favicon", "favicon-busy");
    if (link.href !== wanted) link.href = wanted;
  }, [progress, name]);
  return (
    <i
      className={progress === undefined ? "overall" : "overall on"}
      style={{ transform: `scaleX(${progress ?? 0})` }}
    />
  );
}
