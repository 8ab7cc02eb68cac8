import type { ImageRef } from "../api/rest";

const KEY = "sfumato.stars";

const keyOf = (image: ImageRef) => `${image.type}/${image.subfolder}/${image.filename}`;

function read(): readonly string[] {
  return JSON.parse(localStorage.getItem(KEY) ?? "[]") as string[];
}

export function isStarred(image: ImageRef): boolean {
  return read().includes(keyOf(image));
}

export function toggleStar(image: ImageRef): void {
  const key = keyOf(image);
  const stars = read();
  localStorage.setItem(KEY, JSON.stringify(stars.includes(key) ? stars.filter((one) => one !== key) : [...stars, key]));
}
