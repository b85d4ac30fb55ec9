// The clips of a project as a strip of film or as a list. Drawn a hundred at a time: a project may have twenty thousand.

import { picture } from "./preview.js";
import { $, clock, day, el, kindOf, nameOf, size } from "./words.js";

const AT_ONCE = 100;

export class Reel {
  // open(item): somebody wants to see it; pick(item, on): its tick was changed
  constructor(list, more, { open, pick }) {
    [this.list, this.more, this.open, this.pick] = [list, more, open, pick];
    [this.items, this.picked] = [[], new Set()];
    this.eye = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) this.draw(); }, { rootMargin: "800px" });
  }

  show(items, picked) {
    const focused = document.activeElement?.closest("[data-path]")?.dataset.path;
    const drawn = this.list.childElementCount;
    [this.items, this.picked] = [items, picked];
    this.list.replaceChildren();
    this.draw(Math.max(drawn, AT_ONCE));
    if (focused) [...this.list.children].find((card) => card.dataset.path === focused)?.querySelector("button")?.focus();
  }

  draw(count = AT_ONCE) {
    const from = this.list.childElementCount;
    this.list.append(...this.items.slice(from, from + count).map((item) => this.card(item)));
    this.more.hidden = this.list.childElementCount >= this.items.length;
    this.eye.unobserve(this.more); // whoever is still at the end after this is told of again
    this.eye.observe(this.more);
  }

  card(item) {
    const name = nameOf(item), kind = kindOf(item), on = this.picked.has(item.relative_path);
    const tick = el("input", { type: "checkbox", "aria-label": `Select ${name}`, onchange: () => this.pick(item, tick.checked) });
    tick.checked = on;
    return el("li", { "data-path": item.relative_path, "data-kind": kind },
      el("button", { type: "button", class: "frame", "aria-label": `Open ${name}`, onclick: () => this.open(item) },
        el("span", { class: "cell" }, el("span", { class: `sign ${kind}`, "aria-hidden": "true" }), picture(item, kind))),
      el("label", { class: "tick" }, tick),
      el("span", { class: "words" },
        el("span", { class: "name", title: name }, name),
        el("span", { class: "quiet" }, [clock(item.duration), size(item.size), day(item.uploaded_at)].filter(Boolean).join(" · ")),
        item.tags.length ? el("span", { class: "tags" }, ...item.tags.map((tag) => el("span", {}, tag))) : null));
  }

  marks() {
    for (const card of this.list.children) $("input", card).checked = this.picked.has(card.dataset.path);
  }
}
