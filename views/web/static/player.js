// One clip at a time, large. The browser reads what it needs through ranges.

import { $, drawable, el, kindOf, moment, nameOf, size } from "./words.js";

export class Player {
  constructor(dialog) {
    [this.dialog, this.items, this.at] = [dialog, [], 0];
    $("#before").addEventListener("click", () => this.step(-1));
    $("#after").addEventListener("click", () => this.step(1));
    dialog.addEventListener("close", () => this.empty());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", (event) => this.key(event));
  }

  open(items, item) {
    [this.items, this.at] = [items, items.indexOf(item)];
    this.show();
    if (!this.dialog.open) this.dialog.showModal();
  }

  step(by) {
    const to = this.at + by;
    if (to < 0 || to >= this.items.length) return;
    this.at = to;
    this.show();
  }

  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || ["VIDEO", "AUDIO"].includes(event.target.tagName)) return; // there the arrows wind
    event.preventDefault();
    this.step(by);
  }

  show() {
    const item = this.items[this.at];
    this.empty();
    $("#playing").textContent = nameOf(item);
    $("#about").textContent = [size(item.size), moment(item.uploaded_at), item.relative_path].filter(Boolean).join(" · ");
    $("#download").href = item.download_url;
    const versions = new URL(`${location.pathname}/versions${location.search}`, location);
    versions.searchParams.set("path", item.relative_path);
    $("#versions").href = versions.href;
    $("#before").disabled = this.at === 0;
    $("#after").disabled = this.at === this.items.length - 1;
    $("#screen").append(this.medium(item));
  }

  medium(item) {
    const kind = kindOf(item), src = item.stream_url;
    const onerror = (event) => event.currentTarget.replaceWith(this.cannot(item));
    const blind = (event) => this.blind(event, item);
    if (kind === "video") return el("video", { controls: true, autoplay: true, playsinline: true, preload: "metadata", src, onerror, onloadedmetadata: blind });
    if (kind === "audio") return el("audio", { controls: true, autoplay: true, preload: "metadata", src, onerror });
    if (kind === "image") return el("img", { alt: nameOf(item), src: drawable(item) ? src : item.thumb_url ?? item.preview_url ?? src, onerror });
    return this.cannot(item);
  }

  // Without the codec of the picture some browsers play the sound alone and call that no error.
  blind(event, item) {
    if (!event.currentTarget.videoWidth) $("#about").textContent = `This browser has no picture for ${nameOf(item)}, only its sound. Download it to see it.`;
  }

  cannot(item) {
    return el("p", { class: "cannot" }, `This browser cannot show ${nameOf(item)}. Download it to open it elsewhere.`);
  }

  empty() {
    for (const medium of this.dialog.querySelectorAll("video, audio")) {
      medium.pause();
      medium.removeAttribute("src");
      medium.load(); // gives the connection back
    }
    $("#screen").replaceChildren();
  }
}
