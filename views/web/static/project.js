// One project: its clips, what is selected among them, and what can be done with those.

import { behind, get, post, route } from "./api.js";
import { question } from "./dialogs.js";
import { Player } from "./player.js";
import { Reel } from "./reel.js";
import { Uploads, takeDrops } from "./upload.js";
import { $, el, many, nameOf, say, size, trouble } from "./words.js";

const { project, source, media, upload, most } = $("main").dataset;
const picked = new Set(); // relative paths
const player = new Player($("#player"));
const reel = new Reel($("#reel"), $("#more"), { open: (item) => player.open(visible(), item), pick });
const uploads = new Uploads($("#uploads"), upload, Number(most), soon);
let items = [];

const ORDERS = {
  new: (a, b) => (b.uploaded_at ?? "").localeCompare(a.uploaded_at ?? ""),
  old: (a, b) => (a.uploaded_at ?? "").localeCompare(b.uploaded_at ?? ""),
  name: (a, b) => nameOf(a).localeCompare(nameOf(b), undefined, { numeric: true }),
  size: (a, b) => b.size - a.size,
};

// what is shown

async function load() {
  try {
    items = (await get(media)).media;
    trouble($("#trouble"), null);
  } catch (error) {
    trouble($("#trouble"), error);
    $("#count").textContent = "";
    return;
  }
  const there = new Set(items.map((item) => item.relative_path));
  for (const path of picked) if (!there.has(path)) picked.delete(path);
  show();
}

let coming = 0;

function soon() { // many uploads end together: one look is enough
  clearTimeout(coming);
  coming = setTimeout(load, 250);
}

function visible() {
  const word = $("#filter").value.trim().toLowerCase();
  const has = (item) => nameOf(item).toLowerCase().includes(word) || item.tags.some((tag) => tag.includes(word));
  return items.filter(has).sort(ORDERS[$("#order").value]);
}

function show() {
  const seen = visible();
  const bytes = items.reduce((sum, item) => sum + item.size, 0);
  $("#count").textContent = `${many(items.length, "clip")} · ${size(bytes)}`;
  $("#tools").hidden = items.length === 0;
  $("#empty").hidden = items.length > 0;
  $("#none").hidden = items.length === 0 || seen.length > 0;
  reel.show(seen, picked);
  showPicks();
}

function look(how) {
  $("#reel").dataset.look = how;
  for (const button of document.querySelectorAll("button[data-look]")) button.setAttribute("aria-pressed", button.dataset.look === how);
  try {
    localStorage.setItem("look", how);
  } catch { /* private windows keep nothing */ }
}

function looked() {
  try {
    return localStorage.getItem("look") === "list" ? "list" : "grid";
  } catch {
    return "grid";
  }
}

// what is selected

function pick(item, on) {
  if (on) picked.add(item.relative_path);
  else picked.delete(item.relative_path);
  showPicks();
}

function pickAll(paths) {
  picked.clear();
  for (const path of paths) picked.add(path);
  reel.marks();
  showPicks();
}

function showPicks() {
  $("#picked").hidden = picked.size === 0;
  document.body.classList.toggle("picking", picked.size > 0);
  $("#howmany").textContent = `${picked.size.toLocaleString("en")} selected`;
  $("#all").textContent = picked.size ? "Select none" : "Select all";
}

function these(paths) {
  return paths.length === 1 ? paths[0].split("/").at(-1) : many(paths.length, "clip");
}

// what can be done

function remove(paths) {
  const what = `${these(paths)}: taken out of this project. The same clip in other projects stays.`;
  question($("#ask-remove"), what, async () => {
    const { removed, missing } = await post(route(project, source, "/media/delete"), { relative_paths: paths });
    await done(`${many(removed.length, "clip")} deleted${missing.length ? `, ${missing.length} no longer there` : ""}.`);
  });
}

async function move(paths) {
  const target = $("#target");
  try {
    const others = (await get("/api/projects")).filter((one) => one.index_exists && !(one.name === project && one.source === source));
    if (!others.length) throw new Error("There is no other project yet. Make one on the page of projects first.");
    target.replaceChildren(...others.map((one) => el("option", { value: JSON.stringify([one.name, one.source]) },
      one.source === source ? one.name : `${one.name} (${one.source})`)));
  } catch (error) {
    say(error.message);
    return;
  }
  question($("#ask-move"), these(paths), async () => {
    const [name, where] = JSON.parse(target.value);
    const body = { relative_paths: paths, target_project: name, target_source: where };
    const url = route(project, source, "/media/move"), far = (far) => say(`${far.done} of ${many(far.total, "clip")}`);
    const { moved, duplicates, missing } = where === source ? await post(url, body) : await behind(url, body, far);
    const words = [moved.length && `${many(moved.length, "clip")} moved to ${name}`, duplicates.length && `${duplicates.length} already there`,
      missing.length && `${missing.length} no longer here`];
    await done(`${words.filter(Boolean).join(", ")}.`);
  });
}

function tag(paths) {
  const fields = [$("#add-tags"), $("#remove-tags")];
  for (const field of fields) field.value = "";
  question($("#ask-tag"), these(paths), async () => {
    const [add, remove] = fields.map((field) => field.value.split(",").map((word) => word.trim()).filter(Boolean));
    const body = { relative_paths: paths, add_tags: add, remove_tags: remove };
    const { updated } = await post(route(project, source, "/media/tags"), body);
    await done(`${many(updated.length, "clip")} tagged.`);
  });
}

function resolve(paths) {
  const dialog = $("#ask-resolve");
  question(dialog, these(paths), async () => {
    const into = $("input[name=into]:checked", dialog).value;
    const body = {
      project: into,
      new_project_name: into === "__new__" ? $("#new-name").value.trim() : null,
      media_rel_paths: paths,
      mode: $("#reveal").checked ? "reveal_in_explorer" : "import",
    };
    await post(`/api/resolve/open?source=${encodeURIComponent(source)}`, body);
    pickAll([]);
    say("In the queue. The agent on the workstation takes it from there.");
  });
}

async function done(words) {
  pickAll([]);
  say(words);
  await load();
}

// listeners

const ACTS = { remove, move, tag, resolve };
for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => ACTS[button.dataset.act]([...picked]));
}
for (const button of document.querySelectorAll("button[data-look]")) {
  button.addEventListener("click", () => look(button.dataset.look));
}
for (const choice of document.querySelectorAll("input[name=into]")) {
  choice.addEventListener("change", () => {
    const fresh = $("input[name=into]:checked").value === "__new__";
    $("#new-name-row").hidden = !fresh;
    $("#new-name").required = fresh;
    if (fresh) $("#new-name").focus();
  });
}
$("#files").addEventListener("change", (event) => {
  uploads.add([...event.target.files]);
  event.target.value = "";
});
$("#filter").addEventListener("input", show);
$("#order").addEventListener("change", show);
$("#all").addEventListener("click", () => pickAll(picked.size ? [] : visible().map((item) => item.relative_path)));
$("#drop-picks").addEventListener("click", () => pickAll([]));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) pickAll([]);
});
takeDrops($("#dropping"), (files) => uploads.add(files));
look(looked());
load();
