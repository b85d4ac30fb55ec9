// tus-js-client on a leash: reads {"verb": ..., ...} a line, answers {"result": ...} or {"error": "...", "log": [...]}.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { FileUrlStorage, Upload } from "tus-js-client";

const PATIENCE_MS = 60_000;
const SAID = ["Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Concat", "Upload-Complete"];
const TOLD = ["Upload-Offset", "Upload-Length", "Upload-Expires"];
const OPENERS = {
  buffer: (file) => readFile(file),
  file: (file) => createReadStream(file), // the client looks up the size itself
  stream: (file) => Readable.from(createReadStream(file, { highWaterMark: 50_000 }), { objectMode: false }),
};

const picked = (names, get) => Object.fromEntries(names.map((name) => [name, get(name)]).filter(([, value]) => value !== undefined));

// What the client says and hears, for the test to look at.
function watching(log) {
  return {
    onBeforeRequest: (request) => {
      request.entry = { method: request.getMethod(), said: picked(SAID, (name) => request.getHeader(name)) };
      log.push(request.entry);
    },
    onAfterResponse: (request, response) => {
      Object.assign(request.entry, { status: response.getStatus(), told: picked(TOLD, (name) => response.getHeader(name)) });
    },
  };
}

// {file, kind, storage, stopAfter, options} -> {url, log}; `storage` keeps URLs over processes, `stopAfter` bytes it gives up.
async function upload({ file, kind = "buffer", storage, stopAfter, options }) {
  const log = [];
  const body = await OPENERS[kind](file);
  const finished = await new Promise((resolve, reject) => {
    const one = new Upload(body, {
      ...options,
      ...watching(log),
      ...(storage ? { urlStorage: new FileUrlStorage(storage) } : {}),
      onSuccess: () => resolve(one),
      onError: (error) => reject(Object.assign(error, { log })),
      onChunkComplete: (_, accepted) => {
        if (accepted >= stopAfter) one.abort().then(() => resolve(one), reject);
      },
    });
    one.findPreviousUploads().then((previous) => {
      if (previous.length) one.resumeFromPreviousUpload(previous[0]);
      one.start();
    }, reject);
  });
  return { url: finished.url, log };
}

const verbs = { upload, end: ({ url }) => Upload.terminate(url, { retryDelays: null }).then(() => ({})) };

// Some uploads never settle: the promise of a stream that ended on the edge of a chunk is one.
const late = () => new Promise((_, reject) => setTimeout(() => reject(new Error("still not done")), PATIENCE_MS).unref());

for await (const line of createInterface({ input: process.stdin })) {
  const { verb, ...asked } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: await Promise.race([verbs[verb](asked), late()]) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error), log: error.log ?? [] }));
  }
}
