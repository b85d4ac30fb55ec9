// Small words of pages: elements, sizes, times, kinds. Text only ever becomes text.

export const $ = (selector, within = document) => within.querySelector(selector);

// el("button", { type: "button", class: "risky" }, "Delete"); `on…` are listeners, true and false are flags.
export function el(name, given = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...inside.filter((item) => item !== null && item !== undefined));
  return made;
}

const UNITS = ["bytes", "KB", "MB", "GB", "TB", "PB"];

export function size(bytes) {
  let amount = bytes, unit = 0;
  while (amount >= 999.5 && unit < UNITS.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${amount.toFixed(unit === 0 || amount >= 99.95 ? 0 : 1)} ${UNITS[unit]}`;
}

export const many = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

// A moment in words of the reader; "" for what is no moment. Numbers are seconds since 1970.
export function moment(said, format = WHEN) {
  const at = new Date(typeof said === "number" ? said * 1000 : said ?? NaN);
  return Number.isNaN(at.getTime()) ? "" : format.format(at);
}

export const day = (said) => moment(said, DAY);

// 1:02:03, or 0:07; "" where the length is not known.
export function clock(seconds) {
  if (!(seconds >= 0)) return "";
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${String(rest).padStart(2, "0")}` : `${minutes}:${String(rest).padStart(2, "0")}`;
}

export const nameOf = (item) => item.relative_path.split("/").at(-1);

const KINDS = [
  ["video", /\.(mp4|mov|avi|mkv|webm|m4v|mts|m2ts|mpe?g|3gp|3g2|wmv|flv|ogv|dv|qt|mxf|braw|r3d|crm|insv|360)$/i],
  ["audio", /\.(mp3|wav|flac|aac|m4a|aiff?|opus|ogg|oga|wma|caf|bwf|w64|ac3|mka)$/i],
  ["image", /\.(jpe?g|png|hei[cf]|gif|webp|avif|tiff?|bmp|jxl|dng|cr[23]|arw|nef|raf|rw2|orf|exr|dpx)$/i],
];

export function kindOf(item) {
  if (["video", "audio", "image"].includes(item.kind)) return item.kind;
  return KINDS.find(([, names]) => names.test(item.relative_path))?.[0] ?? "other";
}

export const drawable = (item) => /\.(jpe?g|png|gif|webp|avif|bmp|svg)$/i.test(item.relative_path);

let quieting = 0;

// A short word at the bottom of the page, also read aloud.
export function say(text) {
  const place = $("#says");
  place.textContent = text;
  clearTimeout(quieting);
  quieting = setTimeout(() => { place.textContent = ""; }, 6000);
}

export function trouble(place, error) {
  place.textContent = error ? error.message : "";
  place.hidden = !error;
}
