// One data set: what was recognised and why, how it looks, and the training to start on it.

import { fill, h, icon, prose, write } from "../dom.js";
import { duration, number, optional, t } from "../i18n.js";
import { gallery } from "../media.js";
import { get, job, post } from "../net.js";
import { BUDGETS, recipeForm } from "../form.js";
import { button, field, picture, select, slider, spinner, to } from "../parts.js";
import { keep, store } from "../store.js";

const address = (id) => `api/data/${encodeURIComponent(id)}`;

const looked = async (id, recipe, place) => {
  const answer = await get(address(id) + (recipe ? `?recipe=${encodeURIComponent(recipe)}` : ""));
  if (!answer.job || answer.kind) return answer;
  const told = spinner(t("data.looking"));
  fill(place, h("h1", {}, t("data.title")), told);
  return job(answer.job, (now) => now.total && write(told.lastChild, ` ${t("data.looking_at", { done: now.done, total: now.total })}`));
};

/** Data that is not recognised, or not clearly: why, and the recipes to read it by. */
const unclear = (id, error) => {
  const box = select([["", t("data.choose")], ...store.recipes.map((one) => [one.name, `${one.name} – ${one.first_line}`])], "", () => box.value && (location.hash = `${to("data", id)}?recipe=${encodeURIComponent(box.value)}`));
  return [h("h1", {}, nameOf(id)), h("section.callout", { class: "callout warn" }, h("h2", {}, icon("alert"), t("data.unclear")), h("p", {}, prose(error.message))), field(t("data.read_as"), box)];
};

const nameOf = (id) => id.replace(/^builtin:/, "");

const classes = (list) => {
  const most = Math.max(1, ...list.map((one) => one.count || 0));
  const row = (one) => h("li", {}, h("span.name", {}, String(one.name)), h("span.meter", { "aria-hidden": true, vars: { "--share": (one.count || 0) / most } }), h("span.count", {}, number(one.count)));
  const rest = list.slice(12);
  return h("section", {}, h("h2", {}, t("data.classes", { n: list.length })), h("ul.classes", {}, list.slice(0, 12).map(row)),
    rest.length ? h("details", {}, h("summary", {}, t("data.more_classes", { n: rest.length })), h("ul.classes", {}, rest.map(row))) : null);
};

const problems = (list) => h("section.problems", {}, h("h2", {}, icon("alert"), t("data.problems")), h("ul", {}, list.map((one) => h("li", {}, prose(one)))));

/** Examples that are no pictures: texts, rows, series, sounds or films. */
const examples = (look) => {
  const items = look.examples.slice(0, 24).map((one, index) => ({ index, label: null, ...one }));
  const media = items[0].media || (items[0].rows ? "series" : "table");
  return h("section", {}, h("h2", {}, t("data.examples")), gallery({ items, columns: look.columns, media }));
};

/** The plan: recipe, name, budget and settings, and the button that starts. */
const plan = (id, look) => {
  const fields = h("div");
  const why = h("p.help");
  let form = null;
  let asked = 0;
  const choose = async (name) => {
    const mine = asked += 1;
    fill(fields, spinner());
    const recipe = await get(`api/recipes/${encodeURIComponent(name)}`);
    if (mine !== asked) return;
    form = recipeForm(recipe);
    write(why, `${recipe.title || ""}`);
    fill(fields, form.node);
  };
  const names = store.recipes.filter((one) => !one.kind || !look.kind || one.kind === look.kind || one.name === look.recipe);
  const others = store.recipes.filter((one) => !names.includes(one));
  const option = (one) => h("option", { value: one.name }, one.name === look.recipe ? t("plan.recommended", { name: one.name }) : `${one.name} – ${one.first_line}`);
  const box = h("select", { value: look.recipe, onchange: () => choose(box.value) }, names.map(option), others.length ? h("optgroup", { label: t("plan.others") }, others.map(option)) : null);
  box.value = look.recipe;
  const name = h("input", { type: "text", maxlength: 80, placeholder: t("plan.name_auto"), autocomplete: "off", spellcheck: "false" });
  const budget = slider(t("plan.budget"), { min: 0, max: BUDGETS.minutes.length - 1, step: 1, value: BUDGETS.first, show: (i) => duration(BUDGETS.minutes[i] * 60), help: t("plan.budget_help") });
  const go = button(t("plan.start"), async () => {
    const settings = form ? form.given() : {}; // still loading: then nothing was changed in it
    if (!settings) return;
    Object.assign(settings, { ...look.settings, ...settings });
    settings.budget = BUDGETS.text(Number(budget.input.value));
    const run = await post("api/runs", { recipe: box.value || null, data: id, name: name.value.trim() || null, settings });
    keep(run);
    location.hash = to("run", run.name);
  }, { look: "primary large", drawing: "play" });
  choose(look.recipe);
  return h("section.plan", { "aria-labelledby": "plan" }, h("h2", { id: "plan" }, t("plan.title")), budget, field(t("plan.recipe"), box), why,
    field(t("plan.name"), name), fields, h("div.startbar", {}, go));
};

/** What was found, but for the examples. */
const found = (look) => [
  look.problems?.length ? problems(look.problems) : h("p.fine", {}, icon("check"), t("data.fine")),
  look.notes?.length ? h("ul.notes", {}, look.notes.map((one) => h("li", {}, prose(one)))) : null,
  look.classes?.length ? classes(look.classes) : null,
  look.lines?.length ? h("details", {}, h("summary", {}, t("data.details")), h("ul.notes", {}, look.lines.map((one) => h("li", {}, prose(one))))) : null,
];

/** The view of a data set. */
export const data = async (place, id, given) => {
  const main = document.getElementById("main");
  let look;
  try { look = await looked(id, given.get("recipe"), main); } catch (error) {
    if (![400, 422].includes(error.status)) throw error;
    fill(place, unclear(id, error));
    return;
  }
  const name = nameOf(look.name || id);
  const sheet = look.sheet && h("figure.sheet", {}, picture(look.sheet, t("data.sheet", { name }), { lazy: false }));
  const facts = h("dl.facts", {}, fact(t("data.kind"), optional(`kind.${look.kind}`, look.kind)), fact(t("data.number"), number(look.count)),
    look.classes?.length ? fact(t("data.class_count"), number(look.classes.length)) : null);
  fill(place, h("h1", {}, name), h("p.lead", {}, prose([look.because, look.otherwise].filter(Boolean).join(" "))), h("div.split", {},
    h("div", {}, sheet, !sheet && look.examples?.length ? examples(look) : null, facts, found(look)), plan(id, look)));
};

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
