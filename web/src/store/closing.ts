import { closeTab, docOf, isDirty, type Tab, useDocs } from "./docs";
import { toast } from "./ui";

/** Whether closing the tab leaves something that is nowhere else. */
export const holdsUnsaved = (tab: Tab): boolean => isDirty(tab) && docOf(tab).root.nodes.size > 0;

/** Closing never asks and never loses: the toast brings the tab back, and later the list of drafts does. */
export function closeFindably(tab: Tab): void {
  const lost = holdsUnsaved(tab);
  closeTab(tab.id);
  if (!lost) return;
  const back = () => useDocs.setState((state) => ({ tabs: [...state.tabs, tab], active: tab.id }));
  toast(`Closed ${tab.name}, which was not saved.`, "info", { label: "Reopen", run: back });
}
