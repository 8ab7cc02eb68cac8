import { create } from "zustand";
import type { ImageRef } from "../api/rest";
import { keepValue, keptList } from "./kept";

/* The pictures that a person starred, kept in this browser. */

const KEY = "sfumato.stars";

export const keyOfImage = ({ type, subfolder, filename }: ImageRef) => `${type}/${subfolder}/${filename}`;

const kept = (): ReadonlySet<string> => new Set(keptList(KEY));

export const useStars = create<{ readonly stars: ReadonlySet<string> }>(() => ({ stars: kept() }));

window.addEventListener("storage", (event) => {
  if (event.key === KEY) useStars.setState({ stars: kept() });
});

export const useIsStarred = (image: ImageRef | undefined) =>
  useStars(({ stars }) => image !== undefined && stars.has(keyOfImage(image)));

/** Stars pictures; takes the stars where all of them have one. */
export function toggleStars(images: readonly ImageRef[]): void {
  const keys = images.map(keyOfImage);
  const { stars } = useStars.getState();
  const all = keys.every((key) => stars.has(key));
  const next = all ? [...stars].filter((key) => !keys.includes(key)) : [...new Set([...stars, ...keys])];
  keepValue(KEY, next);
  useStars.setState({ stars: new Set(next) });
}
