// Small parts that several views use.

import { fresh, h, icon, write } from "./dom.js";
import { ago, duration, number, percent, t } from "./i18n.js";

/** What is said once to screen readers, and shown for a moment. */
export const say = (text, kind = "note") => {
  write(document.getElementById(kind === "error" ? "alert" : "live"), "");
  const place = document.getElementById("toasts");
  const node = h("div.toast", { class: `toast ${kind}` }, icon(kind === "error" ? "alert" : "check"), h("span", {}, text));
  place.append(node);
  requestAnimationFrame(() => write(document.getElementById(kind === "error" ? "alert" : "live"), text));
  const last = setTimeout(() => node.remove(), kind === "error" ? 9000 : 3500);
  node.addEventListener("click", () => { clearTimeout(last); node.remove(); });
};

/** The sentence of an error, the server's own where it gave one. */
export const sentence = (error) => error.message || t(error.status === 0 ? "error.away" : "error.unknown");

export const oops = (error) => {
  if (error.name === "AbortError" || error.status === 401) return;
  if (error.status === undefined) console.error(error);
  say(error.status === undefined ? t("error.unknown") : sentence(error), "error");
};

/** A button that cannot be pressed twice while its work is under way. */
export const button = (text, work, { look = "", drawing = null, label = null, small = false } = {}) => {
  const node = h("button", { type: "button", class: `${look} ${small ? "small" : ""}`.trim() || null, "aria-label": label }, drawing && icon(drawing), text && h("span", {}, text));
  node.addEventListener("click", async (event) => {
    if (node.getAttribute("aria-busy")) return;
    node.setAttribute("aria-busy", "true");
    try { await work(event, node); } catch (error) { oops(error); } finally { node.removeAttribute("aria-busy"); }
  });
  return node;
};

export const link = (text, address, { look = "button", drawing = null, download = null, blank = false } = {}) =>
  h("a", { href: address, class: look, download, target: blank ? "_blank" : null, rel: blank ? "noopener" : null }, drawing && icon(drawing), h("span", {}, text));

/** The address of a view. */
export const to = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

const STATUS = { running: "play", paused: "pause", stopped: "stop", finished: "check", failed: "alert" };

export const status = (run) => h("span", { class: `pill ${run.status}` }, icon(STATUS[run.status] || "check"), t(`status.${run.status}`));

/** A progress bar that update(run) moves. */
export const progress = (run) => {
  const bar = h("div.bar", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": t("run.progress") }, h("div.fillbar"));
  const text = h("p.dim.small-text");
  const node = h("div.progress", {}, bar, text);
  const update = (now) => {
    const share = Math.max(0, Math.min(1, now.share || 0));
    bar.firstChild.style.setProperty("--share", share);
    bar.setAttribute("aria-valuenow", Math.round(share * 100));
    write(text, moving(now, share));
  };
  update(run);
  return { node, update };
};

const moving = (run, share) => {
  if (run.status === "running" && run.phase && run.phase !== "training") return run.doing || t(`phase.${run.phase}`);
  if (run.status !== "running") return t("run.seen_so_far", { n: run.seen, share: percent(share), when: ago(run.updated) });
  const left = run.seconds_left === null || run.seconds_left === undefined ? t("run.starting") : t("run.left", { time: duration(run.seconds_left) });
  return [percent(share), left, run.examples_per_second ? t("run.speed", { n: Math.round(run.examples_per_second) }) : ""].filter(Boolean).join(" · ");
};

/** A score beside that of real data. */
export const score = (one) => one && h("span.score", { title: one.meaning || null }, h("b", {}, number(one.value, 3)), ` ${one.name}`,
  one.real !== null && one.real !== undefined && h("span.dim", {}, ` · ${t("score.real", { value: number(one.real, 3) })}`));

/** Text with a button that copies it. */
export const copyable = (text, title) => {
  const code = h("pre", { tabindex: 0, role: "group", "aria-label": title }, h("code", {}, text));
  const copy = button(t("copy"), async () => { await clip(text); say(t("copied")); }, { drawing: "copy", small: true, label: t("copy.what", { title }) });
  return h("div.copyable", {}, h("div.copyhead", {}, h("h3", {}, title), copy), code);
};

/** Copies also where the page is not on https and the clipboard is closed to it. */
const clip = async (text) => {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return; } catch { /* the old way, below */ }
  }
  const area = h("textarea.offscreen", { "aria-hidden": true, value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
};

/** A field with its label, help and the fault that is shown when it is wrong. */
export const field = (label, input, help = "", { note = "" } = {}) => {
  const [id, told, wrong] = [input.id || fresh("field"), fresh("help"), fresh("wrong")];
  input.id = id;
  if (help) input.setAttribute("aria-describedby", `${told} ${wrong}`);
  const fault = h("p.fault", { id: wrong });
  const node = h("div.field", {}, h("label", { for: id }, label, note && h("span.dim", {}, ` ${note}`)), input, fault, help && h("p.help", { id: told }, help));
  node.fault = (text) => {
    write(fault, text || "");
    input.setAttribute("aria-invalid", text ? "true" : "false");
  };
  return node;
};

/** A slider whose value is written beside it. */
export const slider = (label, { min, max, step, value, show = (x) => number(x), on = () => {}, help = "" }) => {
  const said = h("output");
  const input = h("input", { type: "range", min, max, step, value });
  const update = () => { const text = show(Number(input.value)); write(said, text); input.setAttribute("aria-valuetext", text); };
  input.addEventListener("input", () => { update(); on(Number(input.value)); });
  update();
  const node = field(label, input, help);
  node.classList.add("slider");
  node.querySelector("label").after(said);
  said.htmlFor = input.id;
  node.input = input;
  node.update = (x) => { input.value = x; update(); };
  return node;
};

export const select = (options, value, onchange) => h("select", { onchange, value }, options.map(([key, text]) => h("option", { value: key }, text)));

/** Asks before what cannot be undone; true when the answer is yes. */
export const sure = (title, text, yes) => new Promise((done) => {
  const box = h("dialog", { "aria-labelledby": "sure" }, h("form", { method: "dialog" }, h("h2", { id: "sure" }, title), h("p", {}, text),
    h("div.row", {}, h("button.danger", { value: "yes" }, yes), h("button", { value: "no" }, t("cancel")))));
  box.addEventListener("close", () => { done(box.returnValue === "yes"); box.remove(); });
  document.body.append(box);
  box.showModal();
});

export const spinner = (text = t("loading")) => h("p.waiting", { role: "status" }, h("span.spin", { "aria-hidden": true }), text);

/** A picture that says so when it cannot be shown. */
export const picture = (address, alt, { pixels = false, lazy = true } = {}) => {
  const node = h("img", { src: address, alt, loading: lazy ? "lazy" : null, decoding: "async", class: pixels ? "pixels" : null });
  node.addEventListener("load", () => node.naturalWidth < 400 && node.classList.add("pixels"));
  return node;
};
