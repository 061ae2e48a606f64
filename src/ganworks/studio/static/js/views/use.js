// Using a trained network: what it can do decides which tabs there are.

import { fill, fresh, h } from "../dom.js";
import { t } from "../i18n.js";
import { get, runPath } from "../net.js";
import { link, to } from "../parts.js";
import { apply, predict } from "./apply.js";
import { sliders, walk } from "./explore.js";
import { sample } from "./sample.js";

/** The panels for what a run can do: [key, build(run) -> element]. */
const panels = (run) => {
  const uses = run.uses || [];
  const latent = uses.includes("sample") && run.can?.latent;
  return [
    uses.includes("sample") && ["sample", sample],
    latent && ["sliders", sliders],
    latent && ["walk", walk],
    uses.includes("apply") && ["apply", apply],
    uses.includes("predict") && ["predict", predict],
  ].filter(Boolean);
};

/** Tabs that arrow keys move between (ARIA authoring practices); a panel is built when it is first opened. */
const tabs = (list, run) => {
  const panel = h("div.panel", { role: "tabpanel", id: fresh("panel"), tabindex: -1 });
  const built = new Map();
  const open = (i, focus = true) => {
    const [key, build] = list[i];
    heads.forEach((head, k) => { head.setAttribute("aria-selected", k === i); head.tabIndex = k === i ? 0 : -1; });
    if (focus) heads[i].focus();
    panel.setAttribute("aria-labelledby", heads[i].id);
    if (!built.has(key)) built.set(key, build(run));
    fill(panel, built.get(key));
  };
  const heads = list.map(([key], i) => h("button", { type: "button", role: "tab", id: fresh("tab"), "aria-controls": panel.id, onclick: () => open(i),
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) open((i + step + list.length) % list.length);
      else if (event.key === "Home") open(0);
      else if (event.key === "End") open(list.length - 1);
      else return;
      event.preventDefault();
    } }, t(`use.${key}`)));
  open(0, false);
  return [list.length > 1 ? h("div.tabs", { role: "tablist", "aria-label": t("use.tabs") }, heads) : null, panel];
};

/** The view of using a run. */
export const use = async (place, name) => {
  const run = await get(runPath(name));
  const list = panels(run);
  fill(place, h("p.crumb", {}, link(name, to("run", name), { look: "quiet", drawing: "back" })), h("h1", {}, t("use.title", { run: name })),
    list.length ? tabs(list, run) : h("p.lead", {}, t("use.none")));
};
