/**
 * Keeps `snk run` small: row data passes as short-lived lists, and V8 would let 130 MB of them pile up before it looks. How
 * much it lets pile up is settled when the process starts, so the process starts once more in its own place, with the
 * same number. Set at run time the size of the young generation has no effect on a thread that is there already.
 *
 * So small a heap is collected sooner by one thread than by several that wake for it: 0.8 of 17 CPU seconds per million
 * rows, on two cores that the servers need as well.
 */
const flags = ['--max-semi-space-size=2', '--single-threaded-gc', '--optimize-for-size'];

const isSmall = flags.every((flag) => process.execArgv.includes(flag));
// Where a process cannot be replaced (Windows) it is merely larger.
if (process.argv.includes('run') && !isSmall && process.platform !== 'win32') {
  process.execve?.(
    process.execPath,
    [process.execPath, ...flags, ...process.execArgv, ...process.argv.slice(1)],
    process.env,
  );
}
