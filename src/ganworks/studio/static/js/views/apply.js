// A file goes in and comes out changed, or is named.

import { fill, h, icon, write } from "../dom.js";
import { percent, t } from "../i18n.js";
import { runPath, send } from "../net.js";
import { beforeAfter, download, elsewhere, gallery } from "../media.js";
import { painter } from "../paint.js";
import { button, oops, picture, sentence, spinner } from "../parts.js";
import { classField, given, optionFields } from "./sample.js";

const SOUNDS = [".wav", ".flac", ".ogg", ".mp3"];
const hears = (run) => (run.takes || []).some((suffix) => SOUNDS.includes(suffix));
const accepted = (run) => (run.takes?.length ? run.takes.join(",") : "image/*");

/** An area that takes one file, by a drop or a button. */
const dropFile = (accept, text, take) => {
  const input = h("input.offscreen", { type: "file", accept, tabindex: -1, "aria-hidden": true, onchange: () => { if (input.files[0]) take(input.files[0]); input.value = ""; } });
  const zone = h("div.drop.small", {}, icon("folder"), h("p", {}, text), button(t("apply.choose"), () => input.click(), { look: "primary" }), input);
  const over = (event) => { event.preventDefault(); zone.classList.toggle("over", event.type === "dragover"); };
  for (const kind of ["dragover", "dragleave", "drop"]) zone.addEventListener(kind, over);
  zone.addEventListener("drop", (event) => event.dataTransfer.files[0] && take(event.dataTransfer.files[0]));
  return zone;
};

const sounds = (answer) => h("div.pairs", {}, [["apply.before", answer.before], ["apply.after", answer.after]].map(([key, url]) => h("figure", {}, h("figcaption", {}, t(key)), h("audio", { controls: true, src: url, "aria-label": t(key) }))));

const result = (run, answer) => [
  hears(run) || answer.media === "audio" ? sounds(answer) : answer.items && answer.media !== "image" ? gallery(answer) : beforeAfter(answer.before, answer.after),
  (answer.said || []).map((text) => h("p.dim", {}, text)),
  answer.download ? h("div.row", {}, download(answer.download)) : null, elsewhere(answer),
];

/** The panel of changing files. */
export const apply = (run) => {
  const [stage, fault] = [h("div.result.big", { "aria-live": "polite" }), h("p.fault", { role: "status" })];
  const label = classField(run, () => {});
  const options = optionFields(run, () => {}, ["labels", "truncation", "seed", "n", "mask"]);
  let [file, paint] = [null, null];
  const work = async () => {
    if (!file) return;
    if (paint?.empty()) { write(fault, t("paint.nothing")); return; }
    write(fault, "");
    const form = new FormData();
    form.append("file", file, file.name);
    if (paint) form.append("mask", await paint.mask(), "mask.png");
    const values = given(options);
    if (Object.keys(values).length) form.append("options", JSON.stringify(values));
    if (label?.value()) form.append("label", label.value());
    const before = [...stage.childNodes];
    if (!paint) fill(stage, spinner(t("apply.working")));
    try {
      fill(shown, result(run, await send(runPath(run.name, "/apply"), form)));
      if (!paint) fill(stage);
    } catch (error) {
      write(fault, sentence(error));
      if (!paint) fill(stage, before);
    }
  };
  const shown = h("div.result.big", { "aria-live": "polite" });
  const go = button(t("apply.go"), work, { look: "primary", drawing: "wand" });
  go.hidden = true;
  const take = async (chosen) => {
    file = chosen;
    fill(shown);
    go.hidden = false;
    if (!run.can?.mask) { await work(); return; }
    try {
      paint = await painter(file);
      fill(stage, paint.node);
    } catch (error) { oops({ status: 415, message: t("apply.unreadable") }); }
  };
  return h("div.workbench", {}, h("div.controls", {}, dropFile(accepted(run), t(run.can?.mask ? "apply.drop_mask" : "apply.drop"), take), label, options, go), h("div", {}, fault, stage, shown));
};

const bars = (list) => h("ul.classes.bars", {}, list.slice(0, 10).map((one, i) => h("li", { class: i ? null : "best" }, h("span.name", {}, String(one.name)), h("span.meter", { "aria-hidden": true, vars: { "--share": one.probability } }), h("span.count", {}, percent(one.probability)))));

/** The panel of naming classes. */
export const predict = (run) => {
  const [stage, fault] = [h("div.result", { "aria-live": "polite" }), h("p.fault", { role: "status" })];
  const take = async (file) => {
    const form = new FormData();
    form.append("file", file, file.name);
    const shown = URL.createObjectURL(file);
    fill(stage, spinner(t("apply.working")));
    write(fault, "");
    try {
      const answer = await send(runPath(run.name, "/predict"), form);
      fill(stage, h("div.named", {}, h("figure", {}, picture(shown, file.name)), h("div", {}, h("h2", {}, String(answer.classes[0]?.name ?? "")), bars(answer.classes), elsewhere(answer))));
    } catch (error) { fill(stage); write(fault, sentence(error)); }
  };
  return h("div.workbench", {}, h("div.controls", {}, dropFile(accepted(run), t("predict.drop"), take)), h("div", {}, fault, stage));
};
