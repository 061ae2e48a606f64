// One run: how far it is, what it makes, its curves, its alarms, and everything to take away.

import { Chart } from "../charts.js";
import { fill, h, icon, prose } from "../dom.js";
import { bytes, number, optional, t } from "../i18n.js";
import { file, isPicture } from "../media.js";
import { get, post, remove, runPath } from "../net.js";
import { button, copyable, link, oops, picture, progress, say, score, slider, status, sure, to } from "../parts.js";
import { hear, keep, listen, store, watch } from "../store.js";

const act = (name, what) => async () => {
  keep(await post(runPath(name, `/${what}`)));
  say(t(`run.did.${what}`));
};

/** The buttons that fit a status. */
const actions = (run) => {
  const going = ["running", "paused"].includes(run.status);
  return [
    run.uses?.length ? link(t(`todo.${run.uses[0]}`), to("run", run.name, "use"), { look: going ? "button" : "button primary", drawing: "wand" }) : null,
    run.status === "running" && button(t("run.pause"), act(run.name, "pause"), { drawing: "pause" }),
    ["paused", "stopped", "failed"].includes(run.status) && button(t("run.resume"), act(run.name, "resume"), { drawing: "play", look: run.status === "paused" ? "primary" : "" }),
    going && button(t("run.stop"), act(run.name, "stop"), { drawing: "stop" }),
    link(t("run.compare"), `#/compare?runs=${encodeURIComponent(run.name)}`),
    !going && button("", () => bin(run.name), { drawing: "bin", label: t("run.delete"), look: "quiet" }),
  ];
};

const bin = async (name) => {
  if (!await sure(t("run.delete_sure", { run: name }), t("run.delete_text"), t("run.delete"))) return;
  await remove(runPath(name));
  store.runs.delete(name);
  location.hash = "#/";
  say(t("run.deleted", { run: name }));
};

/** The pictures of a run in time, newest first seen; a slider goes back. */
const film = (name) => {
  let [shots, following, shown, timer] = [[], true, "", 0];
  const image = h("div.stage");
  const scrub = slider(t("run.time"), { min: 0, max: 0, step: 1, value: 0, show: (i) => (shots[i] ? t("run.at", { n: shots[i].seen }) : ""), on: (i) => { following = i === shots.length - 1; show(i); } });
  const play = button(t("run.play"), () => run(), { drawing: "play", small: true });
  const show = (i) => {
    const shot = shots[i];
    if (!shot || shot.url === shown) return;
    shown = shot.url;
    const said = t("run.picture", { run: name, n: shot.seen });
    const old = image.querySelector("img");
    if (old && isPicture(shot.url)) Object.assign(old, { src: shot.url, alt: said });
    else fill(image, file(shot.url, said));
  };
  const run = () => {
    clearInterval(timer);
    let i = 0;
    const step = Math.max(120, Math.min(500, 8000 / shots.length));
    timer = setInterval(() => {
      scrub.update(i);
      show(i);
      i += 1;
      if (i >= shots.length) { clearInterval(timer); following = true; }
    }, step);
  };
  const set = (list) => {
    shots = list;
    scrub.input.max = Math.max(0, shots.length - 1);
    node.hidden = !shots.length;
    bar.hidden = shots.length < 2;
    if (following) { scrub.update(shots.length - 1); show(shots.length - 1); }
  };
  const bar = h("div.scrub", {}, scrub, play);
  const node = h("section", { "aria-labelledby": "film", hidden: true }, h("h2", { id: "film" }, t("run.samples")), image, bar);
  return {
    node, set, end: () => clearInterval(timer),
    add: (shot) => shots.some((one) => one.url === shot.url) || set([...shots, shot]),
  };
};

const SPEED = "examples_per_second";

/** The charts of a run: [key, x, lines], losses first; series that hold nothing are left out. */
const drawings = ({ x, series, scores }) => {
  const names = Object.keys(series).filter((one) => series[one].some((value) => value !== null));
  const losses = names.filter((one) => one !== SPEED).map((name, i) => ({ name, y: series[name], tone: i }));
  const speed = names.includes(SPEED) ? [{ name: t("chart.speed"), y: series[SPEED] }] : [];
  return [["losses", x, losses], ["scores", scores?.x || [], scored(scores || {})], ["speed", x, speed]].filter(([, , lines]) => lines.length);
};

/** Each score has a line for real data beside it. */
const scored = ({ series = {}, real = {} }) => Object.keys(series).flatMap((name, i) => [
  { name, y: series[name], tone: i },
  ...(real[name] === undefined || real[name] === null ? [] : [{ name: `${name} *`, of: name, y: [], floor: real[name], tone: i }]),
]);

/** Of many scores the first is drawn, as their scales differ; the others wait for a tick. */
const hidden = (key, lines) => (key === "scores" ? lines.filter((line) => line.floor === undefined).slice(1).map((line) => line.name) : []);

/** The curves, live. */
const charts = (name) => {
  const none = h("p.dim", {}, t("run.no_curves"));
  const node = h("section.charts", { "aria-labelledby": "curves" }, h("h2", { id: "curves" }, t("run.curves")), h("p.dim.small-text", {}, t("chart.hint")), none);
  const made = new Map();
  const update = () => {
    const all = drawings(followed.curve);
    none.hidden = all.length > 0;
    for (const [key, x, lines] of all) {
      if (!made.has(key)) {
        const chart = new Chart(t(`chart.${key}`), { hidden: hidden(key, lines), height: key === "speed" ? 140 : 260 });
        made.set(key, chart);
        node.append(chart.node);
      }
      made.get(key).draw({ x, lines });
    }
  };
  const followed = watch(name, update);
  update();
  return { node, end: () => { followed.end(); made.forEach((chart) => chart.end()); } };
};

const scores = (list) => {
  const graded = list.some((one) => one.grade);
  const pill = (grade) => grade && h("span", { class: `pill ${grade}` }, optional(`grade.${grade}`, grade));
  const heads = ["score.name", "score.value", "score.of_real", graded && "score.grade", "score.meaning"].filter(Boolean);
  const row = (one) => h("tr", {}, h("th", { scope: "row" }, one.name), h("td.num", {}, number(one.value, 3)), h("td.num.dim", {}, number(one.real, 3)),
    graded ? h("td", {}, pill(one.grade)) : null, h("td", {}, optional(`metric.${one.id}`, one.meaning || "")));
  return h("section", { "aria-labelledby": "scores" }, h("h2", { id: "scores" }, t("run.scores")), h("div.scroll", { tabindex: 0, role: "group", "aria-label": t("run.scores") },
    h("table.scores", {}, h("thead", {}, h("tr", {}, heads.map((key) => h("th", { scope: "col" }, t(key))))), h("tbody", {}, list.map(row)))));
};

const alarms = (run) => {
  const list = [...new Set([...(run.alarms || []).map((one) => one.text.trim()), run.alarm].filter(Boolean))];
  const advice = (run.advice || []).filter((one) => !list.includes(one));
  if (!list.length && !advice.length) return null;
  return h("section.callout", { class: list.length ? "callout warn" : "callout", "aria-labelledby": "alarms" }, h("h2", { id: "alarms" }, icon(list.length ? "alert" : "wand"), t(list.length ? "run.alarms" : "run.advice")),
    h("ul", {}, list.map((text) => h("li", {}, h("b", {}, prose(text)))), advice.map((text) => h("li", {}, prose(text)))),
    run.status === "failed" && run.log?.length ? h("details", {}, h("summary", {}, t("run.log")), copyable(run.log.join("\n"), t("run.log"))) : null);
};

const files = (run) => h("section", { "aria-labelledby": "files" }, h("h2", { id: "files" }, t("run.files")),
  h("ul.files", {}, run.files.map((one) => h("li", {}, one.url ? link(one.name, one.url, { look: "file", drawing: "down", download: one.name.split("/").pop() }) : h("span.dim", {}, one.name), h("span.dim", {}, bytes(one.bytes))))));

const publish = (run) => {
  const told = h("div", { "aria-live": "polite" });
  const work = async () => {
    const { url, command } = await post(runPath(run.name, "/publish"));
    fill(told, h("p", {}, t("publish.done")), copyable(command, t("publish.command")), url ? copyable(url, t("publish.url")) : null);
  };
  return h("section", { "aria-labelledby": "publish" }, h("h2", { id: "publish" }, t("publish.title")), h("p.dim", {}, t("publish.text")), button(t("publish.button"), work, { drawing: "out" }), told);
};

const takeaway = (run) => h("div.columns", {},
  h("section", {}, h("h2", {}, t("run.again")), h("p.dim", {}, t("run.again_text")), run.command ? copyable(run.command, t("run.command")) : null, run.python ? copyable(run.python, t("run.python")) : null,
    run.config ? h("details", {}, h("summary", {}, t("run.config")), copyable(run.config, "config.yaml")) : null,
    run.next?.length ? h("details", {}, h("summary", {}, t("run.next", { n: run.next.length })), run.next.map((one) => h("div", {}, h("p.dim", {}, prose(one.why)), copyable(one.command, t("run.command"))))) : null,
    run.notes?.length ? h("details", {}, h("summary", {}, t("run.notes", { n: run.notes.length })), h("ul", {}, run.notes.map((one) => h("li", {}, prose(one))))) : null),
  h("div", {}, run.files?.length ? files(run) : null, run.uses?.length ? publish(run) : null));

/** The view of a run. */
export const run = async (place, name) => {
  let detail = await get(runPath(name));
  keep({ ...detail, thumbnail: detail.thumbnail ?? store.runs.get(name)?.thumbnail });
  const head = { state: h("span"), buttons: h("div.row.actions"), score: h("p.numbers"), bar: progress(detail), report: h("span") };
  const [verdict, warnings, table, away] = [h("p.verdict"), h("div"), h("div"), h("div")];
  const [pictures, lines] = [film(name), charts(name)];
  let [shown, asked] = [{}, 0];

  const update = () => {
    const now = store.runs.get(name);
    if (!now) return;
    head.bar.update(now);
    head.bar.node.classList.toggle("still", !["running", "paused"].includes(now.status));
    if (now.status !== shown.status || String(now.uses) !== String(shown.uses)) {
      const inside = head.buttons.contains(document.activeElement);
      fill(head.state, status(now));
      fill(head.buttons, actions(now));
      if (inside) head.buttons.querySelector("button, a")?.focus();
    }
    if (JSON.stringify(now.score) !== JSON.stringify(shown.score)) fill(head.score, score(now.score));
    if (shown.status && (now.status !== shown.status || now.alarm !== shown.alarm || now.score?.value !== shown.score?.value)) soon();
    shown = { ...now };
  };
  const rest = () => {
    fill(verdict, prose(detail.verdict || ""));
    fill(warnings, alarms(detail));
    fill(table, detail.scores?.length ? scores(detail.scores) : null);
    fill(head.report, detail.report ? link(t("run.report"), detail.report, { look: "quiet", drawing: "out", blank: true }) : null);
    const open = [...away.querySelectorAll("details")].map((one) => one.open);
    if (!away.contains(document.activeElement)) fill(away, takeaway(detail));
    away.querySelectorAll("details").forEach((one, i) => { one.open = Boolean(open[i]); });
    pictures.set(detail.snapshots || []);
  };
  const soon = () => {
    clearTimeout(asked);
    asked = setTimeout(async () => {
      try { detail = await get(runPath(name)); rest(); } catch (error) { if (error.status) oops(error); }
    }, 300);
  };
  update();
  rest();
  fill(place, h("p.crumb", {}, link(t("nav.runs"), "#/", { look: "quiet", drawing: "back" })), h("div.runhead", {}, h("div", {}, h("h1", {}, name, " "), h("p.meta", {}, head.state, h("span.dim", {}, [detail.recipe, detail.data].filter(Boolean).join(" · ")), head.report)), head.buttons),
    head.bar.node, head.score, verdict, warnings, h("div.split.even", {}, pictures.node, lines.node), table, away);
  const silent = hear((kind, one) => {
    if ((kind === "picture" || kind === "file") && one.run === name) pictures.add({ seen: one.seen, url: one.url });
    if (kind === "again" || (["alarm", "score", "reset"].includes(kind) && one.run === name)) soon();
    if (kind === "gone" && one.run === name) { say(t("run.deleted", { run: name })); location.hash = "#/"; }
  });
  const deaf = listen(update);
  return () => { silent(); deaf(); clearTimeout(asked); pictures.end(); lines.end(); };
};
