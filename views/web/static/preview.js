// Pictures of clips: the one the server has or makes, the still itself, or a frame that this browser draws and gives to the server.

import { post, route } from "./api.js";
import { drawable, el, kindOf } from "./words.js";

const STILL_BYTES = 6_000_000; // a larger still costs more than it shows
const WIDTH = 480, WITHIN_MS = 10_000, AT_S = 1, LATE = "late";
let patience = 3; // browsers that save power load nothing before somebody plays it
const wanted = new Map(); // element → item: clips in sight without a picture
const tried = new Map(); // content → picture made here, or null where none could be
let working = false;

export function picture(item, kind) {
  const src = item.thumb_url ?? (kind === "image" && drawable(item) && item.size <= STILL_BYTES ? item.stream_url : tried.get(item.sha256));
  const image = el("img", { alt: "", loading: "lazy", decoding: "async", src, hidden: !src, onerror: () => { image.hidden = true; } });
  if (!src && item.preview_url && !tried.has(item.sha256)) want(image, item);
  return image;
}

// A hidden image is never in sight: this one is shown, empty, over the sign of its kind.
function want(image, item) {
  image.hidden = false;
  wanted.set(image, item);
  inSight.observe(image);
}

const inSight = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) target.dataset.near = isIntersecting ? "yes" : "";
  work();
});

async function work() {
  if (working) return;
  working = true;
  for (let next; (next = [...wanted].find(([image]) => image.dataset.near && image.isConnected));) await make(...next);
  for (const image of wanted.keys()) if (!image.isConnected) wanted.delete(image);
  working = false;
}

async function make(image, item) {
  wanted.delete(image);
  inSight.unobserve(image);
  const made = tried.get(item.sha256) ?? await asked(item.preview_url);
  const data = made ?? (kindOf(item) === "video" && patience > 0 ? await frame(item.stream_url).catch(hurt) : null);
  tried.set(item.sha256, data);
  image.hidden = !data;
  if (!data) return;
  image.src = data;
  if (made) return;
  const { project, source } = document.querySelector("main").dataset;
  await post(route(project, source, "/media/thumbnail"), { relative_path: item.relative_path, data_url: data }).catch(() => null);
}

// The address, once the server made a picture under it; null where it has a placeholder only.
async function asked(url) {
  const answer = await fetch(url).catch(() => null);
  return answer?.ok && !answer.headers.has("X-Thumb-Status") ? url : null;
}

function hurt(why) {
  if (why === LATE) patience -= 1;
  return null;
}

async function frame(url) {
  const video = el("video", { muted: true, playsinline: true, preload: "auto" });
  video.muted = true;
  try {
    const ready = event(video, "loadeddata");
    video.src = url;
    await ready;
    const there = event(video, "seeked");
    video.currentTime = Math.min(AT_S, (video.duration || 0) / 2);
    await there;
    if (!video.videoWidth || dark(video)) return null;
    return drawn(video, WIDTH, Math.round(WIDTH * video.videoHeight / video.videoWidth)).canvas.toDataURL("image/jpeg", 0.8);
  } finally {
    video.removeAttribute("src");
    video.load();
  }
}

function drawn(video, width, height) {
  const pencil = el("canvas", { width, height }).getContext("2d");
  pencil.drawImage(video, 0, 0, width, height);
  return pencil;
}

// A browser that lacks the codec may draw nothing and say nothing; a preview that was given once stays for ever.
function dark(video) {
  return drawn(video, 16, 9).getImageData(0, 0, 16, 9).data.every((value, at) => at % 4 === 3 || value < 12);
}

function event(video, name) {
  return new Promise((done, fail) => {
    video.addEventListener(name, done, { once: true });
    video.addEventListener("error", fail, { once: true });
    setTimeout(fail, WITHIN_MS, LATE);
  });
}
