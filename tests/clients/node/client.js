// The npm package `webdav` on a leash: reads ["verb", ...arguments] a line, answers {"result": [...]} or {"error": "..."}.
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { createClient } from "webdav";

const client = createClient(process.argv[2]);

const verbs = {
  upload: async (local, path) => {
    if (!(await client.putFileContents(path, await readFile(local), { overwrite: true }))) throw new Error("not written");
  },
  download: async (path, local) => writeFile(local, await client.getFileContents(path)),
  move: (path, target) => client.moveFile(path, target),
  delete: (path) => client.deleteFile(path),
  makeFolder: (path) => client.createDirectory(path),
  names: async (path) => (await client.getDirectoryContents(path)).map((entry) => entry.basename),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...args] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: (await verbs[verb](...args)) ?? [] }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
