/** Ctrl-C and `kill`: the first ends the run in order, the second ends the process. */

/** npm passes a Ctrl-C on that the terminal has already sent to the whole group: milliseconds apart, it is one. */
const sameSignalMillis = 100;

/**
 * Calls `stop` on the first SIGINT or SIGTERM; on a second one the process exits with 130 at once.
 *
 * @returns takes the handlers off again
 */
export function onSignal(stop: () => void): () => void {
  let first: number | undefined;
  const handle = () => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      stop();
    } else if (now - first > sameSignalMillis) {
      process.exit(130);
    }
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return () => {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
  };
}
