// All runs, as cards; without any, what to do first.

import { fill, h, icon, write } from "../dom.js";
import { t } from "../i18n.js";
import { link, picture, progress, score, status, to } from "../parts.js";
import { listed, listen } from "../store.js";
import { chooser } from "./start.js";

const card = (run) => {
  const bar = progress(run);
  const [face, state, numbers, alarm] = [h("div.face"), h("div.state"), h("p.numbers"), h("p.alarm", { hidden: true })];
  let before = {};
  const update = (now) => {
    bar.update(now);
    bar.node.classList.toggle("still", now.status !== "running");
    if (now.thumbnail !== before.thumbnail) fill(face, now.thumbnail ? picture(now.thumbnail, t("home.picture", { run: now.name })) : h("div.nothing", { "aria-hidden": true }, icon("wand")));
    if (now.status !== before.status) fill(state, status(now));
    if (JSON.stringify(now.score) !== JSON.stringify(before.score)) fill(numbers, score(now.score) || h("span.dim", {}, t("score.none")));
    alarm.hidden = !now.alarm;
    if (now.alarm !== before.alarm) fill(alarm, icon("alert"), now.alarm || "");
    before = { ...now };
  };
  update(run);
  const node = h("li.card", {}, face, h("div.cardtext", {}, h("div.cardhead", {}, h("h2", {}, h("a.cover", { href: to("run", run.name) }, run.name)), state),
    h("p.dim.small-text", {}, [run.recipe, run.data].filter(Boolean).join(" · ")), bar.node, numbers, alarm,
    run.uses?.length ? link(t(`todo.${run.uses[0]}`), to("run", run.name, "use"), { look: "button small above", drawing: "wand" }) : null));
  return { node, update };
};

/** The first view. */
export const home = (place) => {
  const cards = new Map();
  const list = h("ul.cards", {});
  const title = h("h1", {});
  const count = h("p.lead", {});
  const empty = h("div");
  let hadRuns = null;

  const update = () => {
    const runs = listed();
    if (Boolean(runs.length) !== hadRuns) {
      hadRuns = Boolean(runs.length);
      fill(empty, hadRuns ? null : chooser());
      write(title, t(hadRuns ? "home.title" : "home.welcome"));
    }
    const busy = runs.filter((run) => run.status === "running").length;
    write(count, hadRuns ? t(busy ? "home.busy" : "home.count", { n: busy || runs.length }) : t("home.first"));
    for (const [name, one] of cards) if (!runs.some((run) => run.name === name)) { one.node.remove(); cards.delete(name); }
    runs.forEach((run, i) => {
      if (cards.has(run.name)) cards.get(run.name).update(run);
      else cards.set(run.name, card(run));
      const { node } = cards.get(run.name);
      if (list.children[i] !== node) list.insertBefore(node, list.children[i] || null);
    });
  };
  update();
  fill(place, title, count, empty, list);
  return listen(update);
};
