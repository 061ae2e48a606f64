"use strict";
(() => {
  const film = document.querySelector(".film");
  const frames = film ? Array.from(film.children) : [];
  if (frames.length > 1) {
    const bar = document.createElement("div");
    bar.className = "scrub";
    const play = document.createElement("button");
    const range = document.createElement("input");
    play.type = "button";
    range.type = "range";
    range.min = "0";
    range.max = String(frames.length - 1);
    range.setAttribute("aria-label", "Moment of the training");
    let timer = 0;
    const show = (index) => {
      range.value = String(index);
      frames.forEach((frame, i) => frame.classList.toggle("on", i === index));
      range.setAttribute("aria-valuetext", frames[index].querySelector("figcaption").textContent);
    };
    const stop = () => { clearInterval(timer); timer = 0; play.textContent = "▶ Play"; };
    const step = () => {
      const next = Number(range.value) + 1;
      if (next < frames.length) show(next); else stop();
    };
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (Number(range.value) === frames.length - 1) show(0);
      play.textContent = "❚❚ Pause";
      timer = setInterval(step, 600);
    });
    range.addEventListener("input", () => { stop(); show(Number(range.value)); });
    bar.append(play, range);
    film.before(bar);
    film.classList.add("live");
    film.removeAttribute("tabindex");
    stop();
    show(frames.length - 1);
  }
  document.querySelectorAll(".slide").forEach((slide) => {
    const before = slide.querySelector(".before");
    const range = document.createElement("input");
    const handle = document.createElement("div");
    range.type = "range";
    range.min = "0";
    range.max = "100";
    range.value = "50";
    range.setAttribute("aria-label", slide.dataset.title + ": how much of it is shown as it was before");
    handle.className = "handle";
    const show = () => {
      before.style.clipPath = "inset(0 " + (100 - Number(range.value)) + "% 0 0)";
      handle.style.left = range.value + "%";
      range.setAttribute("aria-valuetext", range.value + " % before");
    };
    range.addEventListener("input", show);
    slide.append(handle, range);
    slide.classList.add("live");
    show();
  });
  if (navigator.clipboard) {
    document.querySelectorAll(".cmd").forEach((box) => {
      const copy = document.createElement("button");
      copy.type = "button";
      copy.textContent = "Copy";
      copy.addEventListener("click", () => {
        navigator.clipboard.writeText(box.querySelector("code").textContent)
          .then(() => { copy.textContent = "Copied"; setTimeout(() => { copy.textContent = "Copy"; }, 1500); });
      });
      box.append(copy);
    });
  }
})();
