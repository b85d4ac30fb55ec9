// The queue for DaVinci Resolve, looked at again while the page is in sight.

import { get, post } from "./api.js";
import { $, el, many, moment, say, trouble } from "./words.js";

const EVERY_MS = 3000;
const STATES = { pending: "waiting", claimed: "taken", done: "done", failed: "failed" };
const TARGETS = { __select__: "asked on the workstation", __new__: "a new project" };
let shown = "";

function title(job) {
  const into = job.project === "__new__" && job.new_project_name ? job.new_project_name : TARGETS[job.project] ?? job.project;
  const verb = job.mode === "reveal_in_explorer" ? "Show" : "Import";
  return `${verb} ${many(job.media_rel_paths.length, "clip")}${job.mode === "reveal_in_explorer" ? "" : ` → ${into}`}`;
}

function story(job) {
  const told = [`from ${job.media_project ?? job.source}`, `asked ${moment(job.created_at)}`];
  if (job.claimed_by && job.status !== "pending") told.push(`taken by ${job.claimed_by}`);
  if (job.attempts > 1) told.push(`try ${job.attempts}`);
  if (job.done_at) told.push(`done ${moment(job.done_at)}`);
  return told.join(" · ");
}

async function cancel(job, button) {
  button.disabled = true;
  try {
    await post(`/api/resolve/jobs/${encodeURIComponent(job.id)}/cancel`);
    say("The job is taken back.");
  } catch (error) {
    say(error.message);
  }
  await look();
}

function row(job) {
  const word = job.cancelled ? "cancelled" : STATES[job.status] ?? job.status;
  const open = (job.status === "pending" || job.status === "claimed") && !job.cancelled;
  const names = job.media_rel_paths.map((path) => path.split("/").at(-1));
  return el("li", { "data-job": job.id },
    el("span", { class: `chip ${job.cancelled ? "" : job.status}` }, word),
    el("span", { class: "what" },
      el("strong", {}, title(job)),
      el("span", { class: "quiet" }, story(job)),
      el("span", { class: "quiet path" }, names.slice(0, 4).join(", ") + (names.length > 4 ? ` and ${names.length - 4} more` : "")),
      job.error && !job.cancelled ? el("span", { class: "trouble" }, job.error) : null),
    open ? el("button", { type: "button", onclick: (event) => cancel(job, event.currentTarget) }, "Cancel") : null);
}

function show(jobs) {
  const now = JSON.stringify(jobs);
  if (now === shown) return;
  shown = now;
  const waiting = jobs.filter((job) => job.status === "pending").length;
  $("#count").textContent = `${waiting} waiting · ${many(jobs.length, "job")} in all`;
  $("#jobs").replaceChildren(...jobs.map(row));
  $("#empty").hidden = jobs.length > 0;
}

async function look() {
  try {
    show((await get("/api/resolve/jobs")).jobs);
    trouble($("#trouble"), null);
  } catch (error) {
    $("#count").textContent = "";
    trouble($("#trouble"), error);
  }
}

async function watch() {
  if (!document.hidden) await look();
  setTimeout(watch, EVERY_MS);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
watch();
