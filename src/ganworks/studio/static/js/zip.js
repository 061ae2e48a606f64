// Several files become one ZIP archive, stored as they are (APPNOTE 6.3.3 without compression).

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

const LARGEST = 4e9;
const MANY = 65000;
const SLICE = 1 << 22;

/** CRC-32 of a file, read in slices so that the page stays awake. */
const crc = async (file) => {
  let sum = 0xffffffff;
  for (let at = 0; at < file.size; at += SLICE) {
    const part = new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer());
    for (let i = 0; i < part.length; i += 1) sum = TABLE[(sum ^ part[i]) & 255] ^ (sum >>> 8);
  }
  return (sum ^ 0xffffffff) >>> 0;
};

const record = (fields) => {
  const size = fields.reduce((all, [width]) => all + width, 0);
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return view.buffer;
};

const UTF8 = 0x800;
const DAY = 0x21; // 1 January 1980: the archive of the same files is the same
const shared = (sum, size, name) => [[2, 20], [2, UTF8], [2, 0], [2, 0], [2, DAY], [4, sum], [4, size], [4, size], [2, name.length], [2, 0]];

/** True where the format (or a browser's patience) ends. */
export const tooLarge = (files) => files.length > MANY || files.reduce((all, { file }) => all + file.size, 0) > LARGEST;

/** A Blob with the archive of [{path, file}]; on(share) hears how far it is. */
export const zip = async (files, on = () => {}) => {
  const [parts, ends] = [[], []];
  let at = 0;
  for (const [i, { path, file }] of files.entries()) {
    const name = new TextEncoder().encode(path);
    const sum = await crc(file);
    const head = record([[4, 0x04034b50], ...shared(sum, file.size, name)]);
    const about = shared(sum, file.size, name);
    ends.push(record([[4, 0x02014b50], [2, 20], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]]), name);
    parts.push(head, name, file);
    at += head.byteLength + name.length + file.size;
    if (i % 50 === 0) on(i / files.length);
  }
  const size = ends.reduce((all, one) => all + (one.byteLength ?? one.length), 0);
  const end = record([[4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, at], [2, 0]]);
  return new Blob([...parts, ...ends, end], { type: "application/zip" });
};

const children = (reader) => new Promise((done, fail) => reader.readEntries(done, fail));
const fileOf = (entry) => new Promise((done, fail) => entry.file(done, fail));

const walk = async (entry, path, found) => {
  if (entry.isFile) found.push({ path: path + entry.name, file: await fileOf(entry) });
  else {
    const reader = entry.createReader();
    for (let some = await children(reader); some.length; some = await children(reader)) {
      for (const one of some) await walk(one, `${path}${entry.name}/`, found);
    }
  }
};

const visible = ({ path }) => !path.split("/").some((part) => part.startsWith("."));

/** The files of a drop, folders walked: [{path, file}]. */
export const dropped = async (transfer) => {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found.filter(visible);
};

/** The files of an input, with their path inside the folder that was chosen. */
export const picked = (input) => [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })).filter(visible);
