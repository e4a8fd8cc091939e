// Copies what the browser needs, and its licences, out of node_modules: node web/vendor.mjs DEST

import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

// Scalar's bundle has no licence file; @scalar/helpers comes from the same repository with one.
const FILES = {
  "scalar.js": "@scalar/api-reference/dist/browser/standalone.js",
  "scalar.LICENSE.txt": "@scalar/helpers/LICENSE",
};

const [destination] = process.argv.slice(2);
if (!destination) {
  console.error("usage: node web/vendor.mjs DEST");
  process.exit(2);
}

const modules = new URL("node_modules/", import.meta.url);
await mkdir(destination, { recursive: true });
for (const [name, source] of Object.entries(FILES)) {
  await copyFile(new URL(source, modules), join(destination, name));
}
