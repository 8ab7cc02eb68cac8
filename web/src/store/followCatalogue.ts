import type { Doc } from "../model/document";
import { mapHistory } from "../model/history";
import { reread } from "../model/reread";
import { useDocs } from "./docs";
import { useLibrary } from "./library";

/** Reads what is open anew whenever the server has other nodes than before, its steps of undo too. */
export function followCatalogue(): () => void {
  return useLibrary.subscribe(({ catalogue }, { catalogue: before }) => {
    if (catalogue === before) return;
    const known = new Map<Doc, Doc>();
    const read = (doc: Doc): Doc => {
      const made = known.get(doc) ?? reread(doc, before, catalogue);
      known.set(doc, made);
      return made;
    };
    useDocs.setState(({ tabs }) => ({
      tabs: tabs.map((tab) => ({
        ...tab,
        history: mapHistory(tab.history, read),
        saved: tab.saved && read(tab.saved),
      })),
    }));
  });
}
