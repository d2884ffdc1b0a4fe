/** A program that says two things, and waits to be told to end: for the tests of processes.ts. */
process.stdout.write('line 1\nline 2\n', () => process.stderr.write('waiting\n'));
const alive = setInterval(() => {}, 1000);
process.on('SIGTERM', () => {
  clearInterval(alive);
  process.stderr.write('asked to end\n');
  process.exitCode = 7;
});
