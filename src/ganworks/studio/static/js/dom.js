// Elements are made here and nowhere else: text goes in as text, never as markup.

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "indeterminate", "open", "muted", "currentTime"]);

const put = (node, child) => {
  if (child === null || child === undefined || child === false) return;
  if (Array.isArray(child)) child.forEach((one) => put(node, one));
  else node.append(child instanceof Node ? child : String(child));
};

const set = (node, name, value) => {
  if (value === null || value === undefined || value === false) {
    if (PROPERTIES.has(name)) node[name] = false;
    return;
  }
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name === "vars") Object.entries(value).forEach(([key, one]) => node.style.setProperty(key, one));
  else if (PROPERTIES.has(name)) node[name] = value;
  else node.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : value);
};

/** h("button.primary", {onclick}, "text"): an element with its classes, attributes and children. */
export const h = (what, attributes, ...children) => {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  const late = [];
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "value") late.push([name, value]);
    else set(node, name, value);
  }
  put(node, children);
  late.forEach(([name, value]) => set(node, name, value));
  return node;
};

/** A sentence of the server; what stands between backticks is code. */
export const prose = (text) => String(text).split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part));

/** Replaces what a node holds. */
export const fill = (node, ...children) => {
  node.replaceChildren();
  put(node, children);
  return node;
};

/** Writes text only where it has changed, so that screen readers hear nothing twice. */
export const write = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

let last = 0;
export const fresh = (stem) => `${stem}-${++last}`;

const SHAPES = {
  plus: "M12 5v14M5 12h14", play: "M8 5.5v13l11-6.5z", pause: "M9 5v14M15 5v14", stop: "M7 7h10v10H7z",
  down: "M12 4v11m-5-4.5L12 15.5l5-5M5 20h14", copy: "M9 9h10v10H9zM5 15V5h10", bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  alert: "M12 4 2.8 20h18.4zM12 10v4.5M12 17.2v.3", check: "m5 12.5 4.5 4.5L19 7.5", dice: "M5 5h14v14H5zM9 9v.2M15 15v.2M12 12v.2M15 9v.2M9 15v.2",
  back: "m11 6-6 6 6 6M5 12h14", out: "M14 5h5v5M19 5l-8 8M10 6H5v13h13v-5", folder: "M3 7h6l2 2h10v10H3z", wand: "m5 19 9-9M15 4v4M13 6h4M19 11v3M17.5 12.5h3",
};

/** A small drawing in the colour of the text, hidden from screen readers. */
export const icon = (name) => {
  const space = "http://www.w3.org/2000/svg";
  const node = document.createElementNS(space, "svg");
  node.setAttribute("viewBox", "0 0 24 24");
  node.setAttribute("class", "icon");
  node.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[name]);
  node.append(path);
  return node;
};
