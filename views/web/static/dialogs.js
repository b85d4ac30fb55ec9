// Questions before something is done. The dialog stays open, with the reason, when the server refuses.

import { $, trouble } from "./words.js";

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// Open `dialog` saying `what`; `act` is awaited when a person agrees.
export function question(dialog, what, act) {
  const form = $("form", dialog), agree = $("button[value=yes]", dialog), place = $(".trouble", dialog);
  $("[data-what]", dialog).textContent = what;
  trouble(place, null);
  form.onsubmit = async (event) => {
    event.preventDefault();
    agree.disabled = true;
    try {
      await act();
      dialog.close();
    } catch (error) {
      trouble(place, error);
    } finally {
      agree.disabled = false;
    }
  };
  dialog.showModal();
}
