/* Answers come when they come: what keeps things in the order in which they were asked for. */

/**
 * Asks, and hands on what is answered, unless what was asked later has been answered already: that is newer.
 * What it gives back is kept when the answer has been seen to.
 */
export function newest<T>(
  ask: () => Promise<T>,
  take: (answer: T) => void,
  fail: (error: unknown) => void,
): () => Promise<void> {
  let asked = 0;
  let taken = 0;
  return async () => {
    const turn = ++asked;
    try {
      const answer = await ask();
      if (turn < taken) return;
      taken = turn;
      take(answer);
    } catch (error) {
      fail(error);
    }
  };
}

/** Begins each task when the one before it has ended, well or badly. */
export function inTurn(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const mine = last.then(task);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/**
 * Asks anew each time, though never twice at once: whoever asks while a question is on its way shares the next one,
 * for the answer to the one on its way may be older than what is asked about.
 */
export function askedAnew<T>(ask: () => Promise<T>): () => Promise<T> {
  let now: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const begin = (): Promise<T> => {
    now = ask().finally(() => {
      now = undefined;
    });
    return now;
  };
  return () => {
    if (next) return next;
    if (!now) return begin();
    next = now
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return begin();
      });
    return next;
  };
}
