// Moving about among what a network can make: sliders along its directions, and walks from one sample to another.

import { fill, h, write } from "../dom.js";
import { number, optional, t } from "../i18n.js";
import { get, post, runPath } from "../net.js";
import { gallery } from "../media.js";
import { button, oops, picture, sentence, slider, spinner } from "../parts.js";
import { classField, resting, seedField, truncationField } from "./sample.js";

const FRAMES = 24;
const TURN = 90; // milliseconds a frame

const one = (answer) => ({ items: [answer.items ? answer.items[0] : answer.item || answer], columns: answer.columns || null });

/** The panel of sliders. */
export const sliders = (run) => {
  const [result, bank, fault] = [h("div.result.big"), h("div.bank", {}, spinner()), h("p.fault", { role: "status" })];
  const moves = {};
  const ask = resting(async (signal) => {
    result.setAttribute("aria-busy", "true");
    try {
      const answer = await post(runPath(run.name, "/latent"), { seed: seed.value(), moves, labels: label ? label.value() : null, truncation: truncation ? Number(truncation.input.value) : 1 }, signal);
      write(fault, "");
      const shown = result.querySelector("img");
      const { items, columns } = one(answer);
      if (shown && items[0].url) shown.src = items[0].url;
      else fill(result, gallery({ items, columns, media: answer.media || run.media }));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      write(fault, sentence(error));
    } finally { if (!signal.aborted) result.removeAttribute("aria-busy"); }
  }, 60);
  const changed = () => ask();
  const seed = seedField(t("sample.seed"), 0, changed);
  const label = classField(run, changed);
  const truncation = truncationField(run, changed);
  let made = [];
  const reset = button(t("latent.reset"), () => { made.forEach((each) => each.update(0)); Object.keys(moves).forEach((key) => delete moves[key]); ask(); }, { small: true });
  get(runPath(run.name, "/directions")).then((list) => {
    made = list.map((each, i) => slider(optional(`direction.${each.name}`, each.name), { min: each.low, max: each.high, step: (each.high - each.low) / 60, value: 0, show: (x) => number(x, 2), on: (x) => { moves[i] = x; ask(); } }));
    fill(bank, made.length ? made : h("p.dim", {}, t("latent.none")));
  }).catch(oops);
  ask(true);
  return h("div.workbench", {}, h("div.controls", {}, seed, label, truncation, h("p.help", {}, t("latent.help")), bank, reset), h("div", {}, fault, result));
};

/** The panel of walks. */
export const walk = (run) => {
  const [stage, fault] = [h("div.stage"), h("p.fault", { role: "status" })];
  let [frames, timer, at, step] = [[], 0, 0, 1];
  const show = (i) => {
    at = i;
    frames.forEach((frame, k) => { frame.hidden = k !== i; });
  };
  const halt = () => { clearInterval(timer); timer = 0; fill(play, t("walk.play")); };
  const tick = () => {
    if (!stage.isConnected) { halt(); return; }
    if (at + step < 0 || at + step >= frames.length) step = -step;
    show(Math.max(0, Math.min(frames.length - 1, at + step)));
    position.update(at);
  };
  const play = h("button.primary", { type: "button", onclick: () => { if (timer) halt(); else { timer = setInterval(tick, TURN); fill(play, t("walk.stop")); } } }, t("walk.play"));
  const position = slider(t("walk.position"), { min: 0, max: FRAMES - 1, step: 1, value: 0, show: (i) => `${number(i + 1)} / ${number(frames.length || FRAMES)}`, on: show });
  const ask = resting(async (signal) => {
    stage.setAttribute("aria-busy", "true");
    try {
      const answer = await post(runPath(run.name, "/walk"), { seeds: [from.value(), until.value()], steps: FRAMES, labels: label ? label.value() : null }, signal);
      write(fault, "");
      frames = answer.items.map((item) => (item.url ? picture(item.url, t("walk.alt", { n: item.index }), { lazy: false }) : gallery({ ...answer, items: [item], media: answer.media || run.media })));
      position.input.max = frames.length - 1;
      fill(stage, frames);
      show(Math.min(at, frames.length - 1));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      write(fault, sentence(error));
    } finally { if (!signal.aborted) stage.removeAttribute("aria-busy"); }
  });
  const changed = () => ask();
  const from = seedField(t("walk.from"), 1, changed);
  const until = seedField(t("walk.until"), 2, changed);
  const label = classField(run, changed);
  ask(true);
  return h("div.workbench", {}, h("div.controls", {}, from, until, label, h("p.help", {}, t("walk.help")), play), h("div", {}, fault, stage, position));
};
