// A mask painted over a picture, by pointer, by keys, or as a rectangle in numbers.

import { h, write } from "./dom.js";
import { number, t } from "./i18n.js";
import { button, field, slider } from "./parts.js";

const LARGEST = 4096; // pixels of a side of the mask

/** A painter over the picture of a file. `mask()` gives a PNG, white where it is painted; `empty()` says whether nothing is. */
export const painter = async (file) => {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  const [width, height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  const [canvas, mask] = [h("canvas", { width, height, tabindex: 0, role: "application", "aria-label": t("paint.canvas") }), h("canvas", { width, height })];
  const [over, ink] = [canvas.getContext("2d"), mask.getContext("2d", { willReadFrequently: true })];
  const state = { x: width / 2, y: height / 2, size: Math.max(width, height) / 8, erase: false, last: null, keys: false, any: false };
  const told = h("p.offscreen", { "aria-live": "polite" });

  const draw = () => {
    over.clearRect(0, 0, width, height);
    over.drawImage(picture, 0, 0, width, height);
    over.globalAlpha = 0.6;
    over.drawImage(mask, 0, 0);
    over.globalAlpha = 1;
    if (!state.keys) return;
    over.lineWidth = Math.max(1, width / 200);
    for (const tone of ["#000", "#fff"]) {
      over.strokeStyle = tone;
      over.setLineDash(tone === "#fff" ? [width / 60, width / 60] : []);
      over.beginPath();
      over.arc(state.x, state.y, state.size / 2, 0, 7);
      over.stroke();
    }
  };
  const line = (x, y) => {
    ink.globalCompositeOperation = state.erase ? "destination-out" : "source-over";
    ink.strokeStyle = "#ff3b6b";
    ink.lineCap = "round";
    ink.lineWidth = state.size;
    ink.beginPath();
    ink.moveTo(...(state.last || [x, y]));
    ink.lineTo(x, y + 0.01);
    ink.stroke();
    state.last = [x, y];
    state.any ||= !state.erase;
    draw();
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); state.keys = false; state.last = null; line(...place(event)); });
  canvas.addEventListener("pointermove", (event) => event.buttons && line(...place(event)));
  canvas.addEventListener("pointerup", () => { state.last = null; });
  canvas.addEventListener("focus", () => { state.keys = canvas.matches(":focus-visible"); draw(); });
  canvas.addEventListener("blur", () => { state.keys = false; draw(); });
  canvas.addEventListener("keydown", (event) => {
    const step = (event.shiftKey ? 0.1 : 0.025) * Math.max(width, height);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in moves) {
      state.x = Math.max(0, Math.min(width, state.x + moves[event.key][0]));
      state.y = Math.max(0, Math.min(height, state.y + moves[event.key][1]));
    } else if (event.key === " " || event.key === "Enter") { state.last = null; line(state.x, state.y); write(told, t(state.erase ? "paint.erased" : "paint.painted")); } else if (event.key === "e") erase.click();
    else return;
    event.preventDefault();
    state.keys = true;
    state.last = null;
    draw();
  });

  const erase = h("input", { type: "checkbox", onchange: () => { state.erase = erase.checked; } });
  const size = slider(t("paint.size"), { min: 2, max: 50, step: 1, value: 12, show: (x) => `${number(x)} %`, on: (x) => { state.size = (x / 100) * Math.max(width, height); } });
  const clear = button(t("paint.clear"), () => { ink.clearRect(0, 0, width, height); state.any = false; draw(); }, { small: true });
  draw();
  return {
    node: h("div.painter", {}, canvas, h("p.help", {}, t("paint.help")), h("div.row", {}, size, h("label.tick", {}, erase, t("paint.erase")), clear), rectangle((box) => { ink.globalCompositeOperation = "source-over"; ink.fillStyle = "#ff3b6b"; ink.fillRect(...box.map((share, i) => share * (i % 2 ? height : width))); state.any = true; draw(); }), told),
    empty: () => !state.any,
    mask: () => png(mask, width, height),
  };
};

/** Fields for a rectangle in percent, for those who do not draw. */
const rectangle = (add) => {
  const names = ["left", "top", "width", "height"];
  const inputs = names.map((name) => h("input", { type: "number", min: 0, max: 100, value: name === "left" || name === "top" ? 35 : 30 }));
  return h("details", {}, h("summary", {}, t("paint.rectangle")), h("div.row.bottom", {}, names.map((name, i) => field(t(`paint.${name}`), inputs[i])),
    button(t("paint.add"), () => add(inputs.map((one) => Number(one.value) / 100)), { small: true })));
};

/** The mask in black and white. */
const png = (mask, width, height) => new Promise((done) => {
  const out = h("canvas", { width, height });
  const pen = out.getContext("2d");
  pen.drawImage(mask, 0, 0);
  pen.globalCompositeOperation = "source-in";
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, height);
  pen.globalCompositeOperation = "destination-over";
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, width, height);
  out.toBlob(done, "image/png");
});
