// Trash, moments, versions: what their buttons do. The pages themselves come whole from the server.

import { post } from "./api.js";
import { $, say, trouble } from "./words.js";

const { act, path } = $("main").dataset;

async function busy(button, work) {
  button.disabled = true;
  trouble($("#trouble"), null);
  try {
    await work();
  } catch (error) {
    trouble($("#trouble"), error);
    button.disabled = false;
  }
}

for (const button of document.querySelectorAll("[data-restore]")) {
  button.addEventListener("click", () => busy(button, async () => {
    const { restored, failed } = await post(act, { names: [button.dataset.restore] });
    if (failed.length) throw new Error(failed[0].error);
    say(`Back as ${restored[0].path}`);
    button.closest("li").remove();
  }));
}

for (const button of document.querySelectorAll("[data-version]")) {
  button.addEventListener("click", () => busy(button, async () => {
    await post(act, { relative_path: path, seq: Number(button.dataset.version) });
    location.reload();
  }));
}

$("#fork")?.addEventListener("submit", (event) => {
  event.preventDefault();
  busy($("#fork button"), async () => {
    const made = await post(act, { name: $("#label").value });
    if (made.lost.length) {
      const names = made.lost.slice(0, 20).join(", ");
      throw new Error(`${made.name} is made, without ${made.lost.length} files whose bytes are lost: ${names}`);
    }
    const query = made.source === "primary" ? "" : `?source=${encodeURIComponent(made.source)}`;
    location.assign(`/projects/${encodeURIComponent(made.name)}${query}`);
  });
});
