// Requests to the server, and its stream of events. Every address is relative to the page.

/** An answer that is no success; its message is the server's sentence. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const away = new Set();
/** Tells a listener of "up", "away" and "locked". */
export const onConnection = (listener) => away.add(listener);
const tell = (state) => away.forEach((listener) => listener(state));

const read = async (answer) => {
  const text = await answer.text();
  try { return text ? JSON.parse(text) : null; } catch { return null; }
};

const ask = async (address, options) => {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    tell("away");
    throw new Refused("", 0);
  }
  if ([502, 503, 504].includes(answer.status)) tell("away");
  if (answer.status === 401) tell("locked");
  const body = await read(answer);
  if (!answer.ok) throw new Refused(body?.error?.message || "", answer.status);
  return { status: answer.status, body };
};

/** The path of a run below api/, its name escaped. */
export const runPath = (name, rest = "") => `api/runs/${encodeURIComponent(name)}${rest}`;

export const get = async (address) => (await ask(address)).body;

export const post = async (address, body = {}, signal = undefined) => (await ask(address, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
})).body;

export const remove = async (address) => (await ask(address, { method: "DELETE", headers: { "Content-Type": "application/json" } })).body;

/** Sends a form with files; on(share) hears how far it is. */
export const send = (address, form, on = () => {}) => new Promise((done, fail) => {
  const request = new XMLHttpRequest();
  request.open("POST", address);
  request.setRequestHeader("X-Ganworks", "1");
  request.upload.onprogress = (event) => event.lengthComputable && on(event.loaded / event.total);
  request.onerror = () => { tell("away"); fail(new Refused("", 0)); };
  request.onload = () => {
    let body = null;
    try { body = JSON.parse(request.responseText); } catch { /* no JSON: the status says it */ }
    if (request.status >= 200 && request.status < 300) done(body);
    else {
      if (request.status === 401) tell("locked");
      fail(new Refused(body?.error?.message || "", request.status));
    }
  };
  request.send(form);
});

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Waits for a job of the server: its result, or its error as a Refused. */
export const job = async (id, on = () => {}) => {
  for (;;) {
    let now = null;
    try { now = await get(`api/jobs/${encodeURIComponent(id)}`); } catch (error) { if (error.status) throw error; }
    if (now?.error) throw new Refused(now.error.message || String(now.error), 422);
    if (now && now.result !== undefined && now.result !== null) return now.result;
    if (now) on(now);
    await pause(400);
  }
};

const KINDS = ["run", "point", "score", "picture", "file", "alarm", "reset", "gone"];

/** Follows the server's events for ever. After a loss it goes on from the last event, and `again` is called first. */
export class Events {
  constructor(heard, again, position) {
    Object.assign(this, { heard, again, position, wait: 500, source: null, lost: true, tries: 0 });
    this.open();
    addEventListener("online", () => this.retry(0));
    document.addEventListener("visibilitychange", () => document.hidden || (this.lost && this.retry(0)));
  }

  open() {
    const from = this.position ? `?from=${encodeURIComponent(this.position)}` : "";
    const source = new EventSource(`api/events${from}`);
    this.source = source;
    source.onopen = () => this.opened();
    source.onerror = () => this.failed(source);
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) this.position = event.lastEventId;
        this.heard(kind, JSON.parse(event.data));
      });
    }
  }

  opened() {
    this.wait = 500;
    this.tries = 0;
    tell("up");
    if (this.lost) this.again();
    this.lost = false;
  }

  failed(source) {
    if (source !== this.source) return;
    source.close();
    this.source = null;
    this.lost = true;
    this.tries += 1;
    if (this.tries > 3) this.position = null; // the server may not know it any more; `again` asks for the truth anyway
    tell("away");
    this.retry(this.wait);
    this.wait = Math.min(2000, this.wait * 1.5);
  }

  /** Tries again after so many milliseconds; a plain request first, because a stream does not say why it fails. */
  retry(milliseconds) {
    clearTimeout(this.timer);
    if (this.source) return;
    this.timer = setTimeout(async () => {
      try {
        await get("api/state");
        if (!this.source) this.open();
      } catch (error) {
        if (error.status === 401) return;
        this.retry(this.wait);
      }
    }, milliseconds);
  }
}
