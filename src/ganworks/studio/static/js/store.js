// What the page knows of the runs. Changes are gathered and told once a frame.

import { Events, get, runPath } from "./net.js";

const LONGEST = 4000; // points of a curve kept here; beyond, the server is asked for fewer
const CHECK = 15000; // milliseconds after which curves are asked again, so that an event that never came is found
const FLOOD = 1500; // points waiting for one frame; beyond, the server is asked for all

export const store = { ready: false, version: "", folder: "", recipes: [], kinds: [], events: null, runs: new Map() };

const listeners = new Set();
let changed = new Set();
let frame = 0;

/** Calls listener(names of changed runs) at most once a frame; returns what ends it. */
export const listen = (listener) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

const flush = () => {
  frame = 0;
  const names = changed;
  changed = new Set();
  curves.forEach((curve) => curve.flush());
  listeners.forEach((listener) => listener(names));
};

const touch = (name) => {
  changed.add(name);
  frame ||= requestAnimationFrame(flush);
};

/** Asks for the state of all runs: the truth, whatever was heard before. */
export const refresh = async () => {
  const state = await get("api/state");
  const { runs, ...rest } = state;
  Object.assign(store, rest, { ready: true });
  const names = new Set(runs.map((run) => run.name));
  for (const name of store.runs.keys()) {
    if (!names.has(name)) { store.runs.delete(name); touch(name); }
  }
  runs.forEach(keep);
  touch("");
};

/** Takes a summary of a run for the newest. */
export const keep = (run) => {
  const before = store.runs.get(run.name);
  if (before && run.seen < before.seen) curves.get(run.name)?.again();
  store.runs.set(run.name, run);
  touch(run.name);
};

/** Runs, those that work first and in a fixed order, then the newest. */
export const listed = () => {
  const rank = (run) => (run.status === "running" ? 0 : run.status === "paused" ? 1 : 2);
  const newest = (a, b) => (rank(a) ? b.updated - a.updated : 0);
  return [...store.runs.values()].sort((a, b) => rank(a) - rank(b) || newest(a, b) || a.name.localeCompare(b.name));
};

/** The curves of one run: x and a column for each series, kept by the server's file and by events. */
class Curve {
  constructor(name) {
    Object.assign(this, { name, x: [], series: {}, scores: null, waiting: [], watchers: new Set(), asking: false, stale: false });
    this.again();
    this.timer = setInterval(() => this.moving() && this.again(), CHECK);
  }

  moving() {
    return !document.hidden && store.runs.get(this.name)?.status === "running";
  }

  async again() {
    if (this.asking) { this.stale = true; return; }
    this.asking = true;
    this.stale = false;
    try {
      const { x, series, scores } = await get(runPath(this.name, "/curves?points=2000"));
      Object.assign(this, { x, series, scores: scores || null });
      const end = x.length ? x[x.length - 1] : -1;
      this.waiting = this.waiting.filter((point) => point.seen > end);
      touch(this.name);
      this.watchers.forEach((tell) => tell());
    } catch { /* told by the banner; asked again after the reconnection */ } finally {
      setTimeout(() => { this.asking = false; if (this.stale) this.again(); }, 1000);
    }
  }

  /** Too much for a frame, or too long by now, is not drawn point by point: the server has all of it. */
  hear(point) {
    this.waiting.push(point);
    if (this.waiting.length > FLOOD || this.x.length > LONGEST) {
      this.waiting = this.waiting.slice(-1);
      this.again();
    }
    touch(this.name);
  }

  flush() {
    if (!this.waiting.length) return;
    this.waiting.forEach((point) => this.add(point));
    this.waiting = [];
    this.watchers.forEach((tell) => tell());
  }

  add({ seen, values }) {
    const end = this.x.length ? this.x[this.x.length - 1] : -1;
    if (seen < end) return;
    if (seen > end) {
      this.x.push(seen);
      Object.values(this.series).forEach((column) => column.push(null));
    }
    for (const [name, value] of Object.entries(values)) {
      this.series[name] ||= new Array(this.x.length).fill(null);
      this.series[name][this.x.length - 1] = value;
    }
  }
}

const curves = new Map();

/** Follows the curves of a run: tell() after each change. Returns {curve, end}. */
export const watch = (name, tell) => {
  if (!curves.has(name)) curves.set(name, new Curve(name));
  const curve = curves.get(name);
  curve.watchers.add(tell);
  return {
    curve,
    end: () => {
      curve.watchers.delete(tell);
      if (curve.watchers.size) return;
      clearInterval(curve.timer);
      curves.delete(name);
    },
  };
};

const news = new Set();
/** Hears pictures and alarms as they come: listener(kind, data). */
export const hear = (listener) => {
  news.add(listener);
  return () => news.delete(listener);
};

const heard = (kind, data) => {
  if (kind === "run") keep(data);
  else if (kind === "point") curves.get(data.run)?.hear(data);
  else if (kind === "score" || kind === "reset") curves.get(data.run)?.again();
  else if (kind === "gone") { store.runs.delete(data.run); touch(data.run); }
  else if (kind === "picture") {
    const run = store.runs.get(data.run);
    if (run) { run.thumbnail = data.url; touch(data.run); }
  }
  news.forEach((listener) => listener(kind, data));
};

const again = async () => {
  try { await refresh(); } catch { return; }
  curves.forEach((curve) => curve.again());
  news.forEach((listener) => listener("again", {}));
};

export const follow = () => new Events(heard, again, store.events);
