import fc from "fast-check";

/*
 * Properties are tried with the same cases in every run of the tests: one that fails does so for everybody, and a
 * change that has nothing to do with it is not held up. `make soak` tries new cases, and many more of them.
 */

const MORE = 20;
const soaking = process.env.SOAK !== undefined;

if (!soaking) fc.configureGlobal({ seed: 20_260_101 });

/** How often a property is tried. */
export const rounds = (usual: number) => ({ numRuns: soaking ? usual * MORE : usual });
