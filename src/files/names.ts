/** Names of files: which are fit to be files below a folder, and what two of one name are called (pure). */

/** Bytes of a part between slashes: what file systems take, less what tells namesakes apart. */
const longestPart = 238;
const longestName = 1_024;
/** Characters of a content's hash that tell namesakes apart. */
const markLength = 16;

const refused = /[\p{Cc}\\:]/u;
const device = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i;
const marked = /^(.*)~([0-9a-f]{16}|[0-9a-f]{64})(\.[^./]*)?$/s;

/** Why a name cannot be that of a file below a folder, on any system; null: it can. */
export function nameFault(name: string): string | null {
  if (name === '') return 'is empty';
  if (Buffer.byteLength(name) > longestName) return 'is too long';
  if (!name.isWellFormed()) return 'is no Unicode';
  if (refused.test(name))
    return 'has a character that means something to a system: \\, : or a control character';
  for (const part of name.split('/')) {
    if (part === '' || part === '.' || part === '..') return 'would leave the folder';
    if (Buffer.byteLength(part) > longestPart) return 'is too long';
    if (/[. ]$/.test(part)) return 'ends in a dot or a space';
    if (device.test(part)) return 'is that of a device';
  }
  return null;
}

/** The name under which a content goes where others have its name: it is the same on every node, and tells nothing but the content. */
export function markedName(name: string, sha256: string, length = markLength): string {
  const [folder, part] = partsOf(name);
  const dot = part.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [part.slice(0, dot), part.slice(dot)] : [part, ''];
  return `${folder}${stem}~${sha256.slice(0, length)}${extension}`;
}

/** The name that a content was first given, whatever a node had to call it: a mark of its own content is taken off. */
export function plainName(name: string, sha256: string): string {
  const [folder, part] = partsOf(name);
  const found = marked.exec(part);
  if (found === null || !sha256.startsWith(found[2] as string)) return name;
  const plain = `${folder}${found[1]}${found[3] ?? ''}`;
  return nameFault(plain) === null ? plain : name;
}

/** Without what looks like a mark, of whatever content: what two nodes hold of one row is equal so. */
export function withoutMark(name: string): string {
  return name.replace(/~[0-9a-f]{16}([0-9a-f]{48})?(\.[^./]*)?$/, '$2');
}

/** The same of a text in SQL. */
export function plainNameSql(value: string): string {
  return `regexp_replace(${value}, '~[0-9a-f]{16}([0-9a-f]{48})?(\\.[^./]*)?$', '\\2')`;
}

/** Names that one file may have on some file system are the same text. */
export function foldedName(name: string): string {
  return name.normalize('NFC').toLowerCase().normalize('NFC');
}

function partsOf(name: string): [folder: string, part: string] {
  const slash = name.lastIndexOf('/') + 1;
  return [name.slice(0, slash), name.slice(slash)];
}
