// A line chart with what belongs to it: lines on and off, a log scale, zoom, and the same numbers as a table.

import { fill, fresh, h, write } from "./dom.js";
import { number, short, t } from "./i18n.js";

const TONES = 8;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [4, 2], [1, 2], [10, 4], [3, 6]];
const DRAWN = 250; // milliseconds between two drawings
const ROWS = 12;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const latest = (column) => column.findLast((value) => value !== null && value !== undefined);
const remembered = new Map(); // lines switched off and scales, by title, while the page is open

/** A chart of lines [{name, y, floor}] over one x. Call draw() with new data, end() when it is no longer shown. */
export class Chart {
  constructor(title, { height = 260, hidden = [] } = {}) {
    const kept = remembered.get(title) || { off: new Set(hidden), log: false };
    remembered.set(title, kept);
    Object.assign(this, { title, height, kept, view: null, data: null, plot: null, drawn: 0, keys: new Map() });
    this.box = h("div.chart", { tabindex: 0, role: "img", onkeydown: (event) => this.key(event) });
    this.legend = h("div.legend", { role: "group", "aria-label": t("chart.lines") });
    this.table = h("details.numbers", { ontoggle: () => this.fillTable() }, h("summary", {}, t("chart.table")), h("div.scroll", { tabindex: 0, role: "group", "aria-label": title }));
    this.node = h("figure.chartbox", {}, h("figcaption", {}, h("h3", {}, title), this.tools()), this.box, this.legend, this.table);
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(this.box);
    this.theme = matchMedia("(prefers-color-scheme: dark)");
    this.rebuild = () => this.build();
    this.theme.addEventListener("change", this.rebuild);
  }

  end() {
    this.watcher.disconnect();
    this.theme.removeEventListener("change", this.rebuild);
    clearTimeout(this.timer);
    this.plot?.destroy();
  }

  tools() {
    const zoom = (share, key) => h("button.small", { type: "button", onclick: () => this.zoom(share) }, t(key));
    const log = h("input", { type: "checkbox", checked: this.kept.log, onchange: () => this.scale(log.checked) });
    return h("div.tools", {}, h("div.segments", { role: "group", "aria-label": t("chart.zoom") },
      zoom(1, "chart.all"), zoom(0.5, "chart.half"), zoom(0.1, "chart.tenth")), h("label.tick", {}, log, t("chart.log")));
  }

  scale(log) {
    this.kept.log = log;
    this.build();
  }

  /** Shows the last share of x. */
  zoom(share) {
    const [low, high] = this.ends();
    this.view = share === 1 ? null : [high - (high - low) * share, high];
    this.redraw();
  }

  ends() {
    const x = this.data?.x || [];
    return x.length ? [x[0], x[x.length - 1]] : [0, 1];
  }

  key(event) {
    const moves = { "+": [0.25, -0.25], "-": [-0.5, 0.5], ArrowLeft: [-0.2, -0.2], ArrowRight: [0.2, 0.2] };
    if (event.key === "0") this.view = null;
    else if (event.key in moves) {
      const [low, high] = this.view || this.ends();
      const [first, last] = this.ends();
      const [a, b] = moves[event.key].map((share) => share * (high - low));
      this.view = [Math.max(first, low + a), Math.min(last, high + b)];
      if (this.view[1] <= this.view[0]) this.view = null;
    } else return;
    event.preventDefault();
    this.redraw();
  }

  /** Takes {x, lines} and draws soon; many calls make one drawing. */
  draw(data) {
    this.data = data;
    const wait = this.drawn + DRAWN - performance.now();
    if (wait <= 0) this.show();
    else this.timer ||= setTimeout(() => requestAnimationFrame(() => this.show()), wait);
  }

  show() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.drawn = performance.now();
    const names = this.data.lines.map((line) => line.name).join("\n");
    if (names !== this.names || !this.plot) {
      this.names = names;
      this.build();
    } else this.redraw(true);
    this.fillLegend();
  }

  columns() {
    const { x, lines } = this.data;
    const positive = (y) => (this.kept.log ? y.map((value) => (value > 0 ? value : null)) : y);
    return [x, ...lines.map((line) => positive(line.floor === undefined ? line.y : x.map(() => line.floor)))];
  }

  build() {
    if (!this.data || !this.box.clientWidth) return;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.columns(), this.box);
    this.say();
  }

  redraw(renewed = false) {
    if (!this.plot) return;
    if (renewed) this.plot.setData(this.columns(), false);
    const [low, high] = this.view || this.ends();
    this.plot.batch(() => this.plot.setScale("x", { min: low, max: high > low ? high : low + 1 }));
    this.say();
  }

  say() {
    const lines = this.data.lines.filter((line) => line.floor === undefined && !this.kept.off.has(line.name));
    const said = lines.map((line) => `${line.name} ${number(latest(line.y))}`).join(", ");
    this.box.setAttribute("aria-label", t("chart.said", { title: this.title, lines: said }));
  }

  resize() {
    const width = this.box.clientWidth;
    if (!this.plot) this.build();
    else if (width && width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  options() {
    const rules = { stroke: () => colour("--dim"), font: "12px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: () => colour("--line"), width: 1 } };
    const up = (u, low, high) => {
      if (low === null) return [0, 1];
      return this.kept.log ? uPlot.rangeLog(low, high, 10, false) : uPlot.rangeNum(low, high, 0.1, false);
    };
    return {
      width: this.box.clientWidth, height: this.height, legend: { show: false }, padding: [8, 8, 0, 0],
      cursor: { drag: { x: true, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: (u, low, high) => this.across(low, high) }, y: { distr: this.kept.log ? 3 : 1, range: up } },
      axes: [{ ...rules, values: (u, values) => values.map(short), space: 70, size: 30 }, { ...rules, size: 58, values: (u, values) => values.map((value) => (value === null ? "" : number(value, 3))) }],
      series: [{}, ...this.data.lines.map((line, i) => this.line(line, i))],
      hooks: { setSelect: [(u) => this.selected(u)], setCursor: [(u) => this.point(u)] },
    };
  }

  line(line, i) {
    const tone = `--c${(line.tone ?? i) % TONES}`;
    const floor = line.floor !== undefined;
    return {
      label: line.name, stroke: () => colour(tone), width: floor ? 1.25 : 2, dash: floor ? [5, 5] : DASHES[i % TONES], spanGaps: true,
      show: !this.kept.off.has(line.of || line.name), points: { show: !floor && line.y.length < 3, size: 7 },
    };
  }

  across(low, high) {
    const [first, last] = this.view || [low ?? 0, high ?? 1];
    return [first, last > first ? last : first + 1];
  }

  selected(u) {
    if (u.select.width < 4) return;
    this.view = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
  }

  /** The values under the pointer stand in the legend. */
  point(u) {
    const at = u.cursor.idx;
    this.fillLegend(at);
  }

  fillLegend(at = null) {
    const lines = this.data.lines.filter((line) => line.floor === undefined);
    for (const [i, line] of lines.entries()) {
      if (!this.keys.has(line.name)) this.keys.set(line.name, this.legendKey(line, i));
      const value = at === null ? undefined : line.y[at];
      write(this.keys.get(line.name).value, number(value ?? latest(line.y)));
    }
    for (const [name, key] of this.keys) {
      if (!lines.some((line) => line.name === name)) { key.node.remove(); this.keys.delete(name); }
    }
  }

  legendKey(line, i) {
    const box = h("input", { type: "checkbox", checked: !this.kept.off.has(line.name), onchange: () => this.toggle(line.name, box.checked) });
    const value = h("span.value");
    const marker = h("span.marker", { vars: { "--tone": `var(--c${(line.tone ?? i) % TONES})` }, "aria-hidden": true });
    const node = h("label.key", { title: line.meaning || null }, box, marker, line.title || line.name, value);
    this.legend.append(node);
    return { node, value };
  }

  toggle(name, on) {
    if (on) this.kept.off.delete(name);
    else this.kept.off.add(name);
    this.data.lines.forEach((line, i) => (line.of || line.name) === name && this.plot?.setSeries(i + 1, { show: on }));
    this.say();
  }

  fillTable() {
    if (!this.table.open || !this.data) return;
    const { x } = this.data;
    const lines = this.data.lines.filter((line) => line.floor === undefined);
    const step = Math.max(1, (x.length - 1) / (ROWS - 1));
    const rows = [...new Set(Array.from({ length: Math.min(ROWS, x.length) }, (_, i) => Math.round(i * step)))];
    const near = (y, at) => { for (let i = at; i >= 0; i -= 1) if (y[i] !== null && y[i] !== undefined) return y[i]; return null; };
    fill(this.table.querySelector(".scroll"), h("table", { id: fresh("table") },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("run.seen")), lines.map((line) => h("th", { scope: "col" }, line.name)))),
      h("tbody", {}, rows.map((at) => h("tr", {}, h("th", { scope: "row" }, number(x[at])), lines.map((line) => h("td", {}, number(near(line.y, at)))))))));
  }
}
