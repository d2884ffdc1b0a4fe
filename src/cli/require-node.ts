/** Says at once what is wrong where Node is too old for MikroORM. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`snk needs Node 22.18 or newer; this is ${process.version}\n`);
  process.exit(78);
}
