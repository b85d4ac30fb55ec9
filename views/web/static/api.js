// Asking the API. What goes wrong is an Error whose message can be shown as it is.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The sentence in an error answer: `detail`, a text or the list of a 422.
export function reason(status, text) {
  try {
    const detail = JSON.parse(text).detail;
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail)) return detail.map((item) => `${(item.loc ?? []).at(-1) ?? ""}: ${item.msg}`).join("; ");
  } catch { /* no JSON: said below */ }
  return status ? `The server answered ${status}.` : "The server cannot be reached.";
}

export async function ask(method, url, body) {
  const how = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    how.headers["Content-Type"] = "application/json";
    how.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(url, how);
  } catch {
    throw new Refused(0, reason(0, ""));
  }
  const text = await answer.text();
  if (!answer.ok) throw new Refused(answer.status, reason(answer.status, text));
  return text ? JSON.parse(text) : null;
}

export const get = (url) => ask("GET", url);
export const post = (url, body) => ask("POST", url, body);

// Long work: begun, and followed behind until it is over. `tell` is given how far it is; the result is that of the work.
export async function behind(url, body, tell) {
  const { job_url: job } = await post(`${url}&background=true`, body);
  for (;;) {
    const { status, progress, result, error } = await get(job);
    if (status === "done") return result;
    if (error) throw new Refused(0, error);
    tell(progress);
    await new Promise((done) => setTimeout(done, 300));
  }
}

// A route of one project, with its source named.
export function route(project, source, rest) {
  return `/api/projects/${encodeURIComponent(project)}${rest}?source=${encodeURIComponent(source)}`;
}
