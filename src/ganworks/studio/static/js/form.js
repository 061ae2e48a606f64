// A form from a JSON Schema: one field for each setting, its help, its range checked as it is typed.

import { h } from "./dom.js";
import { number, optional, t } from "./i18n.js";
import { field } from "./parts.js";

const INNER = new Set(["is", "recipe", "notes"]);

const follow = (schema, root) => {
  const { $ref, ...own } = schema;
  return $ref ? { ...root.$defs[$ref.split("/").pop()], ...own } : schema;
};

/** Every setting of a schema: [{path, name, group, schema, value}], groups in order. */
export const settings = (root, schema = root, path = [], defaults = undefined) => {
  const found = [];
  for (const [name, raw] of Object.entries(schema.properties || {})) {
    const one = follow(raw, root);
    const value = defaults?.[name] !== undefined ? defaults[name] : one.default;
    if (INNER.has(name) || "const" in one) continue;
    const here = [...path, name];
    if (one.properties) found.push(...settings(root, one, here, value));
    else found.push({ path: here.join("."), name, group: path.join("."), schema: one, value });
  }
  return found;
};

/** The setting that a dotted path or a short name means. */
export const setting = (all, name) => all.find((one) => one.path === name) || all.find((one) => one.path.endsWith(`.${name}`));

const kinds = (schema) => (schema.anyOf ? schema.anyOf.flatMap(kinds) : [schema]);
const only = (schema, types) => kinds(schema).every((one) => types.includes(one.type) || one.type === "null");
const numeric = (schema) => only(schema, ["integer", "number"]);

/** A value as the words of the command line write it. */
export const asText = (value) => {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(asText).join(",");
  if (value === true) return "on";
  if (value === false) return "off";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
};

const fault = (schema, text) => {
  if (!text || !numeric(schema)) return "";
  const value = Number(text);
  if (Number.isNaN(value)) return t("form.number");
  const ranges = kinds(schema).filter((one) => one.type !== "null");
  const inside = (one) => (one.minimum === undefined || value >= one.minimum) && (one.maximum === undefined || value <= one.maximum)
    && (one.exclusiveMinimum === undefined || value > one.exclusiveMinimum) && (one.exclusiveMaximum === undefined || value < one.exclusiveMaximum);
  if (!ranges.some(inside)) return t("form.range", { range: range(schema) });
  if (only(schema, ["integer"]) && !Number.isInteger(value)) return t("form.whole");
  return "";
};

const range = (schema) => {
  const one = kinds(schema).find((each) => each.type === "integer" || each.type === "number") || {};
  const [low, high] = [one.minimum ?? one.exclusiveMinimum, one.maximum ?? one.exclusiveMaximum];
  if (low !== undefined && high !== undefined && high < 1e15) return t("form.between", { low, high });
  return low === undefined ? "" : t("form.from", { low });
};

const input = ({ schema, value, path }) => {
  if (schema.enum) return h("select", { name: path, value: asText(value) }, schema.enum.map((one) => h("option", { value: asText(one) }, asText(one))));
  if (only(schema, ["boolean"])) return h("select", { name: path, value: asText(value) }, [["on", "form.on"], ["off", "form.off"]].map(([key, text]) => h("option", { value: key }, t(text))));
  const empty = value === null || value === undefined || value === "";
  return h("input", { name: path, type: "text", inputmode: numeric(schema) ? "decimal" : null, value: asText(value), placeholder: empty ? t("form.auto") : null, autocomplete: "off", spellcheck: "false" });
};

/** The field of one setting: {node, path, text() or null where it is the default, wrong()}. */
export const settingField = (one) => {
  const box = input(one);
  const about = optional(`setting.${one.name}.help`, one.schema.description || "");
  const help = [about, range(one.schema) && t("form.allowed", { range: range(one.schema) })].filter(Boolean).join(" ");
  const node = field(optional(`setting.${one.name}`, one.name.replaceAll("_", " ")), box, help, { note: one.schema.unit ? `(${one.schema.unit})` : "" });
  node.title = one.path;
  const wrong = () => fault(one.schema, box.value.trim());
  box.addEventListener("input", () => node.fault(wrong()));
  const first = box.value;
  return { node, path: one.path, box, wrong: () => { node.fault(wrong()); return wrong(); }, text: () => (box.value.trim() === first.trim() ? null : box.value.trim()) };
};

/** Fields for a recipe: those used often, and the rest in groups under "all settings". */
export const recipeForm = (recipe) => {
  const all = settings(recipe.schema);
  const often = recipe.often.map((name) => setting(all, name)).filter((one) => one && one.name !== "budget");
  const rest = all.filter((one) => !often.includes(one) && one.name !== "budget");
  const fields = [];
  const make = (one) => { const made = settingField(one); fields.push(made); return made.node; };
  const groups = [...new Set(rest.map((one) => one.group))];
  const more = h("details.more", {}, h("summary", {}, t("form.all", { n: rest.length })));
  more.addEventListener("toggle", () => {
    if (!more.open || more.children.length > 1) return;
    more.append(...groups.map((group) => h("fieldset", {}, h("legend", {}, optional(`group.${group}`, group || t("form.general"))),
      h("div.fields", {}, rest.filter((one) => one.group === group).map(make)))));
  });
  return {
    node: h("div.recipeform", {}, often.length ? h("div.fields", {}, often.map(make)) : null, more),
    /** The settings that differ from the defaults, or null where one is wrong (it gets the focus). */
    given() {
      const bad = fields.filter((one) => one.wrong());
      if (bad.length) { bad[0].box.focus(); return null; }
      return Object.fromEntries(fields.map((one) => [one.path, one.text()]).filter(([, text]) => text !== null));
    },
  };
};

const MINUTES = [10 / 60, 0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1440];

/** The steps of the budget slider, as minutes, as the command line writes them, and as the index of ten minutes. */
export const BUDGETS = { minutes: MINUTES, first: MINUTES.indexOf(10), text: (i) => (MINUTES[i] < 1 ? `${Math.round(MINUTES[i] * 60)}s` : `${MINUTES[i]}m`) };
