// Samples by seed, class and whatever else the network takes.

import { fill, h, write } from "../dom.js";
import { optional, t } from "../i18n.js";
import { post, runPath } from "../net.js";
import { button, field, oops, select, sentence, slider } from "../parts.js";
import { download, elsewhere, gallery } from "../media.js";

const COUNTS = [1, 4, 9, 16, 36, 64, 100];
const WAIT = 250; // milliseconds of rest before a change is asked for
export const LARGEST_SEED = 2 ** 31;

/** Calls work() after the changes have rested; a new change ends what is under way. */
export const resting = (work, wait = WAIT) => {
  let [timer, stop] = [0, null];
  return (now = false) => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      stop?.abort();
      stop = new AbortController();
      try { await work(stop.signal); } catch (error) { if (error.name !== "AbortError") oops(error); }
    }, now ? 0 : wait);
  };
};

/** A seed with a button for another. */
export const seedField = (label, value, changed) => {
  const input = h("input", { type: "number", min: 0, max: LARGEST_SEED, step: 1, value, oninput: changed });
  const node = field(label, input);
  const dice = button("", () => { input.value = Math.floor(Math.random() * 1e6); changed(); }, { drawing: "dice", label: t("sample.dice") });
  const joined = h("div.joined", {});
  input.replaceWith(joined);
  joined.append(input, dice);
  node.value = () => Math.max(0, Math.floor(Number(input.value) || 0));
  node.input = input;
  return node;
};

export const classField = (run, changed) => {
  if (!run.classes?.length) return null;
  const names = run.classes.map((one) => String(one.name ?? one));
  const box = select([["", t("sample.any")], ...names.map((name) => [name, name])], "", changed);
  const node = field(t("sample.class"), box);
  node.value = () => box.value || null;
  return node;
};

export const truncationField = (run, changed) => (run.can?.truncation === false ? null
  : slider(t("sample.truncation"), { min: 0.1, max: 1, step: 0.05, value: 1, on: changed, help: t("sample.truncation_help") }));

/** Fields for the options that the network names itself, such as where. */
export const optionFields = (run, changed, known = []) => Object.entries(run.options || {}).filter(([name]) => !known.includes(name)).map(([name, meaning]) => {
  const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: t("form.auto"), oninput: changed });
  const node = field(optional(`option.${name}`, name), input, meaning);
  node.given = () => [name, input.value.trim()];
  return node;
});

export const given = (fields) => Object.fromEntries(fields.map((one) => one.given()).filter(([, text]) => text));

/** The panel of samples. */
export const sample = (run) => {
  const [result, foot, fault] = [h("div.result", { "aria-live": "off" }), h("div"), h("p.fault", { role: "status" })];
  const made = h("p.offscreen", { role: "status" });
  const text = ["text", "table"].includes(run.media);
  const count = select(COUNTS.map((n) => [n, String(n)]), text ? 36 : 16, () => change());
  count.value = text ? 36 : 16;

  const ask = () => ({
    n: Number(count.value), seed: seed.value(), start: 0, labels: label ? label.value() : null,
    truncation: truncation ? Number(truncation.input.value) : 1, options: given(options),
  });
  const change = resting(async (signal) => {
    result.setAttribute("aria-busy", "true");
    try {
      const answer = await post(runPath(run.name, "/sample"), ask(), signal);
      write(fault, "");
      fill(result, gallery(answer));
      fill(foot, h("div.row", {}, answer.download ? download(answer.download) : null), elsewhere(answer));
      write(made, t("sample.made", { n: answer.items.length }));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      write(fault, sentence(error));
    } finally { if (!signal.aborted) result.removeAttribute("aria-busy"); }
  });
  const changed = () => change();
  const seed = seedField(t("sample.seed"), 0, changed);
  const label = classField(run, changed);
  const truncation = truncationField(run, changed);
  const options = optionFields(run, changed, ["labels", "truncation", "seed", "n"]);
  change(true);
  return h("div.workbench", {}, h("form.controls", { onsubmit: (event) => { event.preventDefault(); change(true); } }, field(t("sample.count"), count), seed, label, truncation, options, h("button.primary", {}, t("sample.make"))),
    h("div", {}, fault, made, result, foot));
};
