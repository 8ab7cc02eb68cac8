import { create } from "zustand";
import { getObjectInfo } from "../api/rest";
import { newest } from "../model/order";
import { type Catalogue, readCatalogue } from "../model/schema";
import { keepValue, keptList } from "./kept";

interface Library {
  readonly catalogue: Catalogue;
  readonly ready: boolean;
  readonly problem?: string;
  readonly recent: readonly string[];
  readonly favourites: readonly string[];
}

const RECENT = "sfumato.recent";
const FAVOURITES = "sfumato.favourites";

export const useLibrary = create<Library>(() => ({
  catalogue: new Map(),
  ready: false,
  recent: keptList(RECENT),
  favourites: keptList(FAVOURITES),
}));

export const loadCatalogue = newest(
  async () => readCatalogue(await getObjectInfo()),
  (catalogue) => useLibrary.setState({ catalogue, ready: true, problem: undefined }),
  (error) => useLibrary.setState({ problem: error instanceof Error ? error.message : String(error) }),
);

export function rememberUse(type: string): void {
  const recent = [type, ...useLibrary.getState().recent.filter((one) => one !== type)].slice(0, 12);
  keepValue(RECENT, recent);
  useLibrary.setState({ recent });
}

export function toggleFavourite(type: string): void {
  const known = useLibrary.getState().favourites;
  const favourites = known.includes(type) ? known.filter((one) => one !== type) : [...known, type];
  keepValue(FAVOURITES, favourites);
  useLibrary.setState({ favourites });
}
