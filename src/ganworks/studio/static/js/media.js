// What a network makes, shown by what it is: pictures, sounds, films, texts, rows, series or points.

import { h } from "./dom.js";
import { number, t } from "./i18n.js";
import { copyable, link, picture } from "./parts.js";

const caption = (item) => h("figcaption", {}, t("sample.number", { n: item.index }), item.label !== null && item.label !== undefined && item.label !== "" ? ` · ${item.label}` : "");

const image = (item) => h("figure", {}, picture(item.url, t("sample.alt", { n: item.index, label: item.label ?? "" })), caption(item));

const audio = (item) => h("figure.wideitem", {}, h("audio", { controls: true, preload: "metadata", src: item.url, "aria-label": t("sample.alt", { n: item.index, label: item.label ?? "" }) }), caption(item));

const moving = /\.(mp4|webm)(\?|$)/;
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const video = (item) => (moving.test(item.url)
  ? h("figure", {}, h("video", { controls: true, loop: true, muted: true, playsinline: true, autoplay: !still(), src: item.url, "aria-label": t("sample.alt", { n: item.index, label: item.label ?? "" }) }), caption(item))
  : image(item));

const text = (item) => h("li", {}, h("span.dim", {}, number(item.index)), h("span", {}, item.text));

const cell = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? number(value) : String(value));

const rows = (items, columns) => h("div.scroll.tall", { tabindex: 0, role: "group", "aria-label": t("sample.rows") }, h("table.data", {},
  h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "#"), columns.map((name) => h("th", { scope: "col" }, String(name))))),
  h("tbody", {}, items.map((item) => h("tr", {}, h("th", { scope: "row" }, number(item.index)),
    (Array.isArray(item.row) ? item.row : columns.map((name) => item.row?.[name])).map((value) => h("td", { class: typeof value === "number" ? "num" : null }, cell(value))))))));

const WIDTH = 240;
const HEIGHT = 90;
const SPACE = "http://www.w3.org/2000/svg";

const drawing = (label) => {
  const node = document.createElementNS(SPACE, "svg");
  node.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", label);
  node.setAttribute("class", "sketch");
  return node;
};

/** A series as lines, one for each channel: item.rows holds steps, each a list of values; what is no number is not drawn. */
const series = (item) => {
  const steps = item.rows;
  const node = drawing(t("sample.alt", { n: item.index, label: item.label ?? "" }));
  steps[0]?.forEach((_, channel) => {
    const values = steps.map((one) => one[channel]).filter((one) => typeof one === "number");
    if (values.length < 2) return;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const line = document.createElementNS(SPACE, "polyline");
    line.setAttribute("class", `line tone${channel % 6}`);
    line.setAttribute("points", steps.map((one, i) => [one, i]).filter(([one]) => typeof one[channel] === "number").map(([one, i]) => `${(i / Math.max(1, steps.length - 1)) * WIDTH},${HEIGHT - 4 - ((one[channel] - low) / (high - low || 1)) * (HEIGHT - 8)}`).join(" "));
    node.append(line);
  });
  return h("figure", {}, node, caption(item));
};

/** Points of a plane, all items in one drawing. */
const points = (items) => {
  const node = drawing(t("sample.points", { n: items.length }));
  const list = items.map((item) => item.row);
  const [xs, ys] = [list.map((one) => one[0]), list.map((one) => one[1] ?? 0)];
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  list.forEach((one) => {
    const dot = document.createElementNS(SPACE, "circle");
    dot.setAttribute("class", "dot");
    dot.setAttribute("r", 1.2);
    dot.setAttribute("cx", 4 + ((one[0] - left) / (right - left || 1)) * (WIDTH - 8));
    dot.setAttribute("cy", HEIGHT - 4 - (((one[1] ?? 0) - low) / (high - low || 1)) * (HEIGHT - 8));
    node.append(dot);
  });
  return h("figure.wideitem", {}, node);
};

const SOUND = /\.(wav|flac|ogg|mp3)(\?|$)/;
const LINES = /\.(txt|csv)(\?|$)/;
const MOST = 20000; // characters of a text that are shown

export const isPicture = (address) => ![moving, SOUND, LINES].some((one) => one.test(address));

/** A file that a run has shown, by its suffix: picture, film, sound or text. */
export const file = (address, said) => {
  if (moving.test(address)) return h("video", { controls: true, loop: true, muted: true, autoplay: !still(), playsinline: true, src: address, "aria-label": said });
  if (SOUND.test(address)) return h("audio", { controls: true, src: address, "aria-label": said });
  if (!LINES.test(address)) return picture(address, said, { lazy: false });
  const node = h("pre.shown", { tabindex: 0, role: "group", "aria-label": said });
  fetch(address).then((answer) => answer.text()).then((all) => { node.textContent = all.slice(0, MOST); }).catch(() => {});
  return node;
};

const GRIDS = { image, audio, video, series: (item) => (item.rows ? series(item) : image(item)) };

/** Items of an answer {items, columns, media} as one element. */
export const gallery = ({ items, columns, media, picture: drawn }) => {
  if (drawn && items.length > 1) return h("div", {}, h("figure.sheet", {}, picture(drawn, t("sample.points", { n: items.length }))), h("details", {}, h("summary", {}, t("sample.one_by_one")), gallery({ items, columns, media })));
  if (!items.length) return h("p.dim", {}, t("sample.none"));
  if (items[0].text !== undefined && items[0].text !== null) return h("ol.texts", {}, items.map(text));
  if (media === "points" && items[0].row) return h("div.gallery", {}, points(items), rows(items, columns || items[0].row.map((_, i) => i + 1)));
  if (items[0].row && media !== "series") return rows(items, columns || Object.keys(items[0].row));
  const show = GRIDS[media] || image;
  return h("div.gallery", { class: `gallery of-${items.length > 16 ? "many" : Math.min(items.length, 5)}` }, items.map(show));
};

/** Links to take a result away and do it again elsewhere. */
export const download = (address, name) => link(t("download"), address, { look: "button", drawing: "down", download: name || "" });

/** The same request as a command line and as Python. */
export const elsewhere = ({ command, python }) => (command || python ? h("details", {}, h("summary", {}, t("sample.elsewhere")),
  command ? copyable(command, t("run.command")) : null, python ? copyable(python, t("run.python")) : null) : null);

/** Two pictures of one thing with a line to move between them. */
export const beforeAfter = (before, after) => {
  const input = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": t("apply.slide") });
  const node = h("div.slide", { vars: { "--at": "50%" } }, h("div.after", {}, picture(after, t("apply.after"), { lazy: false })), h("div.before", {}, picture(before, t("apply.before"), { lazy: false })),
    h("span.tag.left", { "aria-hidden": true }, t("apply.before")), h("span.tag.right", { "aria-hidden": true }, t("apply.after")), h("div.handle", { "aria-hidden": true }), input);
  input.addEventListener("input", () => { node.style.setProperty("--at", `${input.value}%`); input.setAttribute("aria-valuetext", t("apply.share", { n: Number(input.value) })); });
  return node;
};
