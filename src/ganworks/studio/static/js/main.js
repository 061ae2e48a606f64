// The frame of the page: header, banner, what is said aloud, and which view is shown.

import { fill, h, icon, write } from "./dom.js";
import { LANGUAGES, current, load, t } from "./i18n.js";
import { onConnection } from "./net.js";
import { oops, spinner } from "./parts.js";
import { follow, hear, listen, refresh, store } from "./store.js";
import { compare } from "./views/compare.js";
import { data } from "./views/data.js";
import { home } from "./views/home.js";
import { run } from "./views/run.js";
import { start } from "./views/start.js";
import { use } from "./views/use.js";

const QUIET = 400; // milliseconds that the server may be away before the banner says so
let main = null;
let end = () => {};
let shown = 0;
let failed = false; // the server did not answer when the view was asked for

/** The view of an address: a function (main) -> what ends it. */
const route = () => {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, name, more] = path.split("/").map(decodeURIComponent);
  const given = new URLSearchParams(query || "");
  if (first === "new") return [start, []];
  if (first === "data" && name) return [data, [name, given]];
  if (first === "run" && name) return more === "use" ? [use, [name]] : [run, [name]];
  if (first === "compare") return [compare, [given]];
  return [home, []];
};

const showView = async () => {
  const [view, given] = route();
  const mine = shown += 1;
  const place = h("div.view");
  end();
  end = () => {};
  fill(main, spinner());
  markPlace(view);
  try {
    if (!store.ready) await refresh();
    failed = false;
    const stop = await view(place, ...given);
    if (mine !== shown) { stop?.(); return; }
    end = stop || end;
    fill(main, place);
  } catch (error) {
    if (mine !== shown) return;
    if (error.status === undefined) console.error(error);
    failed = error.status === 0;
    fill(main, missing(error));
  }
  arrive();
};

const missing = (error) => h("div.view", {}, h("section.empty", {}, h("h1", {}, t(error.status === 404 ? "error.gone" : "error.title")),
  h("p.lead", {}, error.message && error.status ? error.message : t(error.status === 0 ? "error.away" : "error.unknown")), h("a.button", { href: "#/" }, icon("back"), h("span", {}, t("nav.runs")))));

/** After a change of view the heading has the focus, so that a reader begins there. */
let first = true;
const arrive = () => {
  const heading = main.querySelector("h1");
  if (!heading) return;
  document.title = t("title", { page: heading.textContent.trim() });
  if (!first) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  first = false;
};

const markPlace = (view) => {
  for (const [one, node] of links) node.toggleAttribute("aria-current", one === view || (one === home && [run, use].includes(view)));
  links.forEach(([, node]) => node.hasAttribute("aria-current") && node.setAttribute("aria-current", "page"));
};

let links = [];
const header = () => {
  const place = (text, address, view) => {
    const node = h("a", { href: address }, text);
    links.push([view, node]);
    return node;
  };
  links = [];
  const language = h("select", { "aria-label": t("language"), value: current(), onchange: () => translate(language.value) },
    Object.entries(LANGUAGES).map(([key, name]) => h("option", { value: key, lang: key }, name)));
  language.value = current();
  const made = h("a.button.primary", { href: "#/new", id: "new" }, icon("plus"), h("span", {}, t("new")));
  links.push([start, made]);
  return h("header.top", {}, h("div.wide", {}, h("a.brand", { href: "#/", "aria-label": t("brand") }, h("span.logo", { "aria-hidden": true }), h("b", {}, "ganworks"), h("span.dim", {}, " studio")),
    h("nav", { "aria-label": t("nav") }, place(t("nav.runs"), "#/", home), place(t("nav.compare"), "#/compare", compare)), language, made));
};

const banner = h("div.banner", { role: "status", hidden: true });
const live = h("div.offscreen", { id: "live", "aria-live": "polite" });
const alarms = h("div.offscreen", { id: "alert", "aria-live": "assertive" });
const toasts = h("div", { id: "toasts" });

const frame = () => {
  main = h("main.wide", { id: "main", tabindex: -1 });
  const skip = h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); main.scrollIntoView(); } }, t("skip"));
  fill(document.getElementById("page"), skip, header(), banner, main, h("footer.wide", {}, h("p.dim", {}, t("footer", { version: store.version, folder: store.folder }))), live, alarms, toasts);
};

const translate = async (language) => {
  await load(language);
  frame();
  showView();
};

let silence = 0;
const connection = (state) => {
  if (state === "locked") return lock();
  clearTimeout(silence);
  if (state === "up") { banner.hidden = true; fill(banner); return undefined; }
  silence = setTimeout(() => { banner.hidden = false; write(banner, t("banner.away")); }, QUIET);
  return undefined;
};

/** The server asks who is there: its token opens the page. The form needs no script. */
const lock = () => {
  if (document.getElementById("token")) return;
  shown += 1;
  fill(main, h("div.view", {}, h("section.empty", {}, h("h1", {}, t("token.title")), h("p.lead", {}, t("token.text")),
    h("form.row", { method: "get", action: "./" }, h("label.offscreen", { for: "token" }, t("token.label")),
      h("input", { id: "token", name: "token", type: "password", autocomplete: "off", required: true }), h("button.primary", {}, t("token.open"))))));
};

/** Starts, ends and alarms are said aloud; numbers that change all the time are not. */
const states = new Map();
const announce = (names) => {
  for (const name of names) {
    const one = store.runs.get(name);
    if (!one) continue;
    const before = states.get(name);
    if (before && before !== one.status) write(live, t("said.status", { run: name, status: t(`status.${one.status}`) }));
    states.set(name, one.status);
  }
  const place = document.querySelector("footer p");
  if (names.has("") && place) write(place, t("footer", { version: store.version, folder: store.folder }));
};

const begin = async () => {
  await load();
  frame();
  onConnection(connection);
  listen(announce);
  hear((kind, one) => kind === "alarm" && write(alarms, t("said.alarm", { run: one.run, text: one.text })));
  hear((kind) => kind === "again" && failed && showView());
  addEventListener("hashchange", () => location.hash !== "#main" && showView());
  addEventListener("unhandledrejection", (event) => oops(event.reason || {}));
  await showView();
  follow();
};

begin();
