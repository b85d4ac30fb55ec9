// Sending files, a few at a time, each with its own progress. XMLHttpRequest, because fetch cannot tell how much has left.

import { reason } from "./api.js";
import { $, el, many, say, size } from "./words.js";

const AT_ONCE = 3;

export class Uploads {
  // place: the section with a list; done: called after each file that the server keeps
  constructor(place, url, mostBytes, done) {
    [this.place, this.url, this.mostBytes, this.done] = [place, url, mostBytes, done];
    [this.waiting, this.running, this.counts] = [[], 0, { stored: 0, duplicate: 0, failed: 0 }];
    $("#tidy").addEventListener("click", () => this.tidy());
    window.addEventListener("beforeunload", (event) => { if (this.busy) event.preventDefault(); });
  }

  get busy() {
    return this.running + this.waiting.length > 0;
  }

  add(files) {
    for (const file of files) {
      const row = new Row(file, () => this.again(row));
      $("ul", this.place).append(row.element);
      this.queue(row);
    }
    this.place.hidden = false;
    if (files.length) say(`Sending ${many(files.length, "file")}.`);
    this.next();
  }

  queue(row) {
    if (this.mostBytes && row.file.size > this.mostBytes) {
      row.end("failed", `too large: this server takes up to ${size(this.mostBytes)} a file`);
      this.counts.failed += 1;
    } else {
      this.waiting.push(row);
    }
    this.tell();
  }

  again(row) {
    this.counts.failed -= 1;
    row.wait();
    this.queue(row);
    this.next();
  }

  next() {
    while (this.running < AT_ONCE && this.waiting.length) this.send(this.waiting.shift());
  }

  send(row) {
    this.running += 1;
    const form = new FormData();
    form.append("file", row.file, row.file.name);
    const request = new XMLHttpRequest();
    request.open("POST", this.url);
    request.upload.addEventListener("progress", (event) => row.move(event.loaded, event.total));
    request.addEventListener("loadend", () => this.ended(row, request));
    request.send(form);
  }

  ended(row, request) {
    this.running -= 1;
    const state = request.status === 200 ? row.kept(request.responseText) : "failed";
    if (state === "failed") row.end("failed", reason(request.status, request.responseText));
    this.counts[state] += 1;
    this.tell();
    if (state !== "failed") this.done();
    this.next();
  }

  tell() {
    const { stored, duplicate, failed } = this.counts;
    const left = this.running + this.waiting.length;
    const words = [left && `${left} to go`, stored && `${stored} stored`, duplicate && `${duplicate} already here`, failed && `${failed} failed`];
    $("#uploaded").textContent = words.filter(Boolean).join(" · ") || "Uploads";
    $("#tidy").hidden = left > 0;
  }

  tidy() {
    $("ul", this.place).replaceChildren();
    this.counts = { stored: 0, duplicate: 0, failed: 0 };
    this.place.hidden = true;
  }
}

class Row {
  constructor(file, again) {
    this.file = file;
    this.bar = el("progress", { max: "1", value: "0", "aria-label": file.name });
    this.word = el("span", { class: "quiet" }, "waiting");
    this.retry = el("button", { type: "button", hidden: true, onclick: again }, "Try again");
    this.element = el("li", {}, el("span", { class: "path" }, file.name), this.bar, this.word, this.retry);
  }

  wait() {
    this.retry.hidden = true;
    this.bar.hidden = false;
    this.bar.value = 0;
    this.say("", "waiting");
  }

  move(sent, total) {
    this.bar.value = total ? sent / total : 0;
    this.say("", sent < total ? `${size(sent)} of ${size(total)}` : "being kept…");
  }

  kept(text) {
    const answer = JSON.parse(text);
    const name = answer.path.split("/").at(-1);
    const as = name === this.file.name ? "" : ` as ${name}`;
    this.end(answer.status, `${answer.status === "duplicate" ? "already here" : "stored"}${as}`);
    return answer.status === "duplicate" ? "duplicate" : "stored";
  }

  end(state, word) {
    this.bar.hidden = true;
    this.retry.hidden = state !== "failed";
    this.say(state, word);
  }

  say(state, word) {
    this.element.dataset.state = state;
    this.word.textContent = word;
  }
}

// Drag-and-drop over the whole page. `veil` is shown while files hang above it.
export function takeDrops(veil, take) {
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const on = (name, act) => document.addEventListener(name, (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    act(event);
    veil.hidden = depth === 0;
  });
  on("dragenter", () => { depth += 1; });
  on("dragleave", () => { depth = Math.max(0, depth - 1); });
  on("dragover", () => { depth = Math.max(1, depth); });
  on("drop", async (event) => {
    depth = 0;
    const files = [...event.dataTransfer.files]; // both lists are gone after the first wait
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    try {
      take(entries.length ? (await Promise.all(entries.map(filesOf))).flat() : files);
    } catch {
      say("What was dropped cannot be read.");
    }
  });
}

// A dropped folder is every file in it; names that begin with a dot are leftovers of file managers.
async function filesOf(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return (await Promise.all(found.map(filesOf))).flat();
    found.push(...some);
  }
}
