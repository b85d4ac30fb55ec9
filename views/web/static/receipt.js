// The receipt: have everything read back, and see how far it is.

import { get, post } from "./api.js";
import { $, many, trouble } from "./words.js";

const EVERY_MS = 500;
const button = $("#verify"), work = $("#work");

function show(job) {
  const { done, total } = job.progress, bar = $("progress", work);
  work.hidden = false;
  if (total) [bar.max, bar.value] = [total, done];
  $("span", work).textContent = total ? `${done.toLocaleString("en")} of ${many(total, "file")} read back` : "Reading back…";
}

async function follow(url) {
  for (;;) {
    const job = await get(url);
    show(job);
    if (job.status === "done") return;
    if (job.status === "failed" || job.status === "stopped") throw new Error(job.error || "It was stopped.");
    await new Promise((after) => setTimeout(after, EVERY_MS));
  }
}

button.addEventListener("click", async () => {
  button.disabled = true;
  trouble($("#trouble"), null);
  try {
    await follow((await post($("main").dataset.act)).job_url);
    location.reload();
  } catch (error) {
    trouble($("#trouble"), error);
    work.hidden = true;
    button.disabled = false;
  }
});

$("#print").addEventListener("click", () => print());
