// Where data comes in: drop it, choose it, take what is there, or the built-in digits.

import { fill, h, icon, write } from "../dom.js";
import { bytes, t } from "../i18n.js";
import { get, post, send } from "../net.js";
import { button, oops, picture, to } from "../parts.js";
import { dropped, picked, tooLarge, zip } from "../zip.js";

const stem = (name) => name.replace(/\.[^.]+$/, "");

/** One name and one file for what was chosen: a single file as it is, anything else as an archive. */
const bundle = async (files, on) => {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  if (sorted.length === 1) return { name: sorted[0].file.name, file: sorted[0].file };
  const top = sorted[0].path.includes("/") ? sorted[0].path.split("/")[0] : "";
  const inside = top && sorted.every(({ path }) => path.startsWith(`${top}/`));
  const moved = inside ? sorted.map(({ path, file }) => ({ path: path.slice(top.length + 1), file })) : sorted;
  return { name: `${inside ? top : t("start.bundle")}.zip`, file: await zip(moved, on) };
};

/** The area for files, with its progress. */
export const chooser = () => {
  const bar = h("div.bar", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": t("start.sending") }, h("div.fillbar"));
  const told = h("p", { role: "status" });
  const moving = h("div.moving", { hidden: true }, told, bar);
  const on = (share) => {
    bar.firstChild.style.setProperty("--share", share);
    bar.setAttribute("aria-valuenow", Math.round(share * 100));
  };

  const work = async (text, ask) => {
    moving.hidden = false;
    write(told, text);
    on(0);
    try {
      location.hash = to("data", (await ask()).data);
    } catch (error) { oops(error); } finally { moving.hidden = true; }
  };

  const take = async (files) => {
    if (!files.length) return;
    if (files.length > 1 && tooLarge(files)) { oops({ status: 413, message: t("start.large") }); return; }
    await work(t("start.reading", { n: files.length }), async () => {
      const { name, file } = await bundle(files, on);
      write(told, t("start.sending_size", { name, size: bytes(file.size) }));
      const form = new FormData();
      form.append("file", file, name);
      return send("api/data", form, (share) => { on(share); if (share === 1) write(told, t("start.looking")); });
    });
  };

  const input = (folder) => {
    const node = h("input.offscreen", { type: "file", multiple: true, webkitdirectory: folder, tabindex: -1, "aria-hidden": true, onchange: () => take(picked(node)).finally(() => { node.value = ""; }) });
    return node;
  };
  const [files, folder] = [input(false), input(true)];
  const zone = h("section.drop", { "aria-labelledby": "drop" }, icon("folder"), h("h2", { id: "drop" }, t("start.drop")), h("p.dim", {}, t("start.kinds")),
    h("div.row.center", {}, button(t("start.files"), () => files.click(), { look: "primary" }), button(t("start.folder"), () => folder.click())), files, folder, moving,
    h("div.or", { "aria-hidden": true }, h("span", {}, t("or"))),
    button(t("start.digits"), () => work(t("start.looking"), () => post("api/data", { builtin: "digits" })), { drawing: "wand" }), h("p.dim.small-text", {}, t("start.digits_why")));
  const over = (event) => { event.preventDefault(); zone.classList.toggle("over", event.type === "dragover"); };
  for (const kind of ["dragover", "dragleave", "drop"]) zone.addEventListener(kind, over);
  zone.addEventListener("drop", async (event) => take(await dropped(event.dataTransfer)));
  return h("div", {}, zone, h("p.note", {}, t("start.stays")));
};

const kept = (one) => h("li.card.slim", {}, h("div.face", {}, one.sheet ? picture(one.sheet, "") : h("div.nothing", { "aria-hidden": true }, icon("folder"))), h("div.cardtext", {}, h("h3", {}, h("a.cover", { href: to("data", one.id) }, one.name)),
  h("p.dim.small-text", {}, [one.count && t("data.count", { n: one.count }), one.bytes && bytes(one.bytes)].filter(Boolean).join(" · "))));

/** The view "New training": bring data, or take some that is there. */
export const start = async (place) => {
  const list = await get("api/data");
  fill(place, h("h1", {}, t("start.title")), h("p.lead", {}, t("start.lead")), chooser(),
    list.length ? h("section", {}, h("h2", {}, t("start.there")), h("ul.cards", {}, list.map(kept))) : null);
};

