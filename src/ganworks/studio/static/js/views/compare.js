// Runs side by side: what they make, their scores, and their curves in one drawing.

import { Chart } from "../charts.js";
import { fill, h } from "../dom.js";
import { number, optional, t } from "../i18n.js";
import { get } from "../net.js";
import { oops, picture, progress, score, select, status, to } from "../parts.js";
import { listed, listen, store, watch } from "../store.js";

const MOST = 6;

/** The series of a curve, scores first, by name: [x, y]. */
const tables = (curve) => Object.fromEntries([
  ...Object.entries(curve.scores?.series || {}).map(([name, y]) => [name, [curve.scores.x, y]]),
  ...Object.entries(curve.series).map(([name, y]) => [name, [curve.x, y]]),
]);

/** Which series can be drawn, and one chart of it over all runs. */
const overlay = (names) => {
  const node = h("div");
  let [chart, wanted] = [null, ""];
  const box = select([], "", () => { wanted = box.value; chart?.end(); chart = null; update(); });
  const label = h("label.inline", {}, t("compare.series"), " ", box);
  const update = () => {
    const found = followed.map(({ curve }) => [curve.name, tables(curve)]);
    const all = [...new Set(found.flatMap(([, one]) => Object.keys(one)))];
    if (!all.length) return;
    if (String([...box.options].map((one) => one.value)) !== String(all)) {
      fill(box, all.map((name) => h("option", { value: name }, optional(`column.${name}`, name))));
      const before = wanted;
      wanted = all.includes(wanted) ? wanted : all[0];
      box.value = wanted;
      if (wanted !== before) { chart?.end(); chart = null; }
    }
    const having = found.filter(([, one]) => one[wanted]);
    const [x, ...columns] = joined(having.map(([, one]) => one[wanted]));
    if (!chart) {
      chart = new Chart(t("compare.over", { name: optional(`column.${wanted}`, wanted) }), { height: 320 });
      fill(node, label, chart.node);
    }
    chart.draw({ x, lines: having.map(([name], i) => ({ name, y: columns[i], tone: names.indexOf(name) })) });
  };
  const followed = names.map((name) => watch(name, () => update()));
  update();
  return { node, end: () => { followed.forEach((one) => one.end()); chart?.end(); } };
};

const joined = (tables) => (tables.length ? uPlot.join(tables) : [[]]);

const chooser = (chosen, change) => h("fieldset.choose", {}, h("legend", {}, t("compare.choose", { n: MOST })), h("div.row", {}, listed().map((run) => {
  const box = h("input", { type: "checkbox", checked: chosen.includes(run.name), disabled: !chosen.includes(run.name) && chosen.length >= MOST, onchange: () => change(run.name, box.checked) });
  return h("label.chip", {}, box, run.name);
})));

const column = (run) => {
  const [bar, state, face, numbers] = [progress(run), h("span"), h("div.face"), h("p.numbers")];
  let before = {};
  const update = (now) => {
    bar.update(now);
    if (now.status !== before.status) fill(state, status(now));
    if (now.thumbnail !== before.thumbnail) fill(face, now.thumbnail ? picture(now.thumbnail, t("home.picture", { run: now.name })) : null);
    if (now.score?.value !== before.score?.value) fill(numbers, score(now.score));
    before = { ...now };
  };
  update(run);
  return { update, node: h("li.card", {}, face, h("div.cardtext", {}, h("div.cardhead", {}, h("h2", {}, h("a", { href: to("run", run.name) }, run.name)), state), h("p.dim.small-text", {}, [run.recipe, run.data].filter(Boolean).join(" · ")), bar.node, numbers)) };
};

const cell = (value) => {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? number(value, 3) : optional(`status.${value}`, String(value));
};

/** The server's table: titles, and a list of values for each run, its name first. */
const table = ({ columns, rows }) => h("div.scroll", { tabindex: 0, role: "group", "aria-label": t("compare.scores") }, h("table", {},
  h("thead", {}, h("tr", {}, columns.map((title) => h("th", { scope: "col" }, optional(`column.${title}`, title))))),
  h("tbody", {}, rows.map(([name, ...values]) => h("tr", {}, h("th", { scope: "row" }, name), values.map((value) => h("td.num", {}, cell(value))))))));

/** The view of a comparison; its runs stand in the address. */
export const compare = async (place, given) => {
  const wanted = (given.get("runs") || "").split(",").filter((name) => store.runs.has(name)).slice(0, MOST);
  const change = (name, on) => {
    const next = on ? [...wanted, name] : wanted.filter((each) => each !== name);
    location.hash = next.length ? `#/compare?runs=${next.map(encodeURIComponent).join(",")}` : "#/compare";
  };
  const head = [h("h1", {}, t("compare.title")), h("p.lead", {}, t("compare.lead")), chooser(wanted, change)];
  if (!wanted.length) { fill(place, head, h("p.dim", {}, t("compare.none"))); return undefined; }
  const cards = wanted.map((name) => column(store.runs.get(name)));
  const [scores, lines] = [h("div"), overlay(wanted)];
  get(`api/compare?runs=${wanted.map(encodeURIComponent).join(",")}`).then((answer) => fill(scores, table(answer))).catch(oops);
  fill(place, head, h("ul.cards", {}, cards.map((one) => one.node)), h("h2", {}, t("compare.scores")), scores, h("h2", {}, t("run.curves")), lines.node);
  const deaf = listen((names) => wanted.forEach((name, i) => names.has(name) && store.runs.has(name) && cards[i].update(store.runs.get(name))));
  return () => { deaf(); lines.end(); };
};
