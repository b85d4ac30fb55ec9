// The list of projects: making one, switching sources.

import { post } from "./api.js";
import { $, say } from "./words.js";

const form = $("#create");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = $("button", form);
  const source = form.elements.source?.value ?? "primary";
  button.disabled = true;
  try {
    const made = await post(`/api/projects?source=${encodeURIComponent(source)}`, { name: form.elements.label.value, notes: null });
    const query = made.source === "primary" ? "" : `?source=${encodeURIComponent(made.source)}`;
    location.assign(`/projects/${encodeURIComponent(made.name)}${query}`);
  } catch (error) {
    say(error.message);
    button.disabled = false;
  }
});

for (const button of document.querySelectorAll("button[data-device]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post("/api/brake/release", { device: button.dataset.device });
      location.reload();
    } catch (error) {
      say(error.message);
      button.disabled = false;
    }
  });
}

for (const button of document.querySelectorAll("button[data-source]")) {
  button.addEventListener("click", async () => {
    const { source, enabled } = button.dataset;
    button.disabled = true;
    try {
      await post(`/api/sources/${encodeURIComponent(source)}/toggle?enabled=${enabled}`);
      location.reload();
    } catch (error) {
      say(error.message);
      button.disabled = false;
    }
  });
}
