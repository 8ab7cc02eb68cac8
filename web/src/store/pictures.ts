import { useEffect } from "react";
import { create } from "zustand";
import { type ImageRef, imageFromName, listFiles, uploadImage } from "../api/rest";
import { askedAnew } from "../model/order";
import { report } from "./ui";

/* Which pictures the server has to load, so that nothing is asked for that is not there. */

interface Pictures {
  /** The names of the files by folder ("input", "output/boats"), as far as they were asked for. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** Files that were looked for and were not there. */
  readonly missing: ReadonlySet<string>;
}

export const usePictures = create<Pictures>(() => ({ names: {}, missing: new Set() }));

const keyOf = (image: ImageRef) => `${folderOf(image)}/${image.filename}`;
const folderOf = ({ type, subfolder }: ImageRef) => (subfolder ? `${type}/${subfolder}` : type);
const has = ({ names }: Pictures, image: ImageRef) => names[folderOf(image)]?.includes(image.filename) ?? false;

const readers = new Map<string, () => Promise<void>>();

/** Reads the list of a picture's folder anew: a list that was asked for before the picture was made may lack it. */
export function readFolder({ type, subfolder, filename }: ImageRef): Promise<void> {
  const folder = folderOf({ type, subfolder, filename });
  const reader =
    readers.get(folder) ??
    askedAnew(async () => {
      try {
        const before = usePictures.getState().names[folder] ?? [];
        const list = await listFiles(type, subfolder);
        usePictures.setState(({ names }) => {
          // What was uploaded since the question was asked is there, though the answer may not know of it.
          const since = (names[folder] ?? []).filter((name) => !before.includes(name) && !list.includes(name));
          return { names: { ...names, [folder]: [...since, ...list] } };
        });
      } catch (error) {
        report(error);
      }
    });
  readers.set(folder, reader);
  return reader();
}

/** Sends a picture to a folder of the server. */
export async function uploadPicture(file: Blob, name: string, folder = "input"): Promise<ImageRef> {
  const image = await uploadImage(file, name, folder);
  const at = folderOf(image);
  usePictures.setState(({ names }) => ({
    names: { ...names, [at]: [image.filename, ...(names[at] ?? []).filter((one) => one !== image.filename)] },
  }));
  return image;
}

export type Presence = "there" | "missing" | "unknown";

/** Whether the picture that a widget names is on the server; looks again for a name that is new. */
export function usePresence(name: string, folder: string, options: readonly unknown[]): Presence {
  const image = imageFromName(name, folder);
  const key = keyOf(image);
  const { type, subfolder, filename } = image;
  const known = usePictures((state) => has(state, image)) || options.includes(name);
  const missing = usePictures((state) => state.missing.has(key));
  useEffect(() => {
    if (known || missing || !filename) return;
    const wanted = { type, subfolder, filename };
    void readFolder(wanted).then(() => {
      if (has(usePictures.getState(), wanted)) return;
      usePictures.setState((state) => ({ missing: new Set([...state.missing, key]) }));
    });
  }, [known, missing, key, type, subfolder, filename]);
  return known ? "there" : missing ? "missing" : "unknown";
}

/** Those of the pictures that are on the server; looks again for files that are new. */
export function useThere(images: readonly ImageRef[]): readonly ImageRef[] {
  const state = usePictures();
  const unknown = images.filter((image) => !has(state, image) && !state.missing.has(keyOf(image)));
  const asked = unknown.map(keyOf).join("\n");
  useEffect(() => {
    if (!asked) return;
    void Promise.all(unknown.map(readFolder)).then(() => {
      const gone = unknown.filter((image) => !has(usePictures.getState(), image)).map(keyOf);
      if (gone.length) usePictures.setState(({ missing }) => ({ missing: new Set([...missing, ...gone]) }));
    });
  }, [asked]);
  return images.filter((image) => has(state, image));
}

const PICTURE = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif)$/i;

/** The pictures to choose from in a folder: what the nodes list, and what came since. */
export function usePictureNames(folder: string, options: readonly unknown[]): readonly string[] {
  const names = usePictures((state) => state.names[folder]);
  const since = (names ?? []).filter((name) => PICTURE.test(name) && !options.includes(name));
  return [...since, ...options.map(String)];
}
