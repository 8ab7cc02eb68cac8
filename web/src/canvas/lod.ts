import { createContext } from "react";

/** How much of a node is drawn: all of it; a coloured card with its title and picture; a coloured card. */
export type Level = "near" | "far" | "tiny";

/** Below this zoom widgets and labels could not be read. */
const FAR = 0.45;
/** Below this zoom a title would have no room on its card. */
const TINY = 0.22;
/** Below this zoom no link could be aimed at: they are drawn as one path for each colour. */
export const TRACED = 0.32;

export const levelAt = (zoom: number): Level => (zoom < TINY ? "tiny" : zoom < FAR ? "far" : "near");

/** Told from above, so that a thousand nodes need not ask at each frame. */
export const LevelContext = createContext<Level>("near");
