// Words and numbers in the reader's language. All text of the page stands in ../i18n/*.json.

export const LANGUAGES = { en: "English", zh: "中文" };
let words = {};
let language = "en";

const remembered = () => {
  try { return localStorage.getItem("language"); } catch { return null; }
};

const chosen = () => {
  const wished = [remembered(), ...(navigator.languages || [])].map((one) => String(one || "").slice(0, 2));
  return wished.find((one) => one in LANGUAGES) || "en";
};

/** Loads the words; afterwards t() is synchronous. */
export const load = async (wanted) => {
  language = wanted || chosen();
  const answer = await fetch(`static/i18n/${language}.json`);
  words = await answer.json();
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  if (wanted) try { localStorage.setItem("language", wanted); } catch { /* not kept: the choice holds for this visit */ }
};

export const current = () => language;

/** The text of a key, its {names} filled in; with `n`, the form of the key for that number. */
export const t = (key, given = {}) => {
  const one = given.n === 1 && words[`${key}.one`];
  const text = one || words[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in given ? show(given[name]) : all));
};

/** The text of a key that need not exist, else what is given. */
export const optional = (key, otherwise) => (key in words ? words[key] : otherwise);

const show = (value) => (typeof value === "number" ? number(value) : value);

/** A number for people: 12,345 or 0.0123. */
export const number = (value, digits = 4) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString(language);
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e9)) return value.toExponential(1);
  return value.toLocaleString(language, { maximumSignificantDigits: digits });
};

export const percent = (share) => share.toLocaleString(language, { style: "percent", maximumFractionDigits: 0 });

/** Large counts in short: 40.6k. */
export const short = (value) => value.toLocaleString(language, { notation: "compact", maximumFractionDigits: 1 });

export const bytes = (size) => {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = size < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(size) / 3));
  return (size / 1000 ** step).toLocaleString(language, {
    style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: step ? 1 : 0,
  });
};

const unit = (value, name) => value.toLocaleString(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 0 });

/** A duration in its two largest units. */
export const duration = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return unit(whole, "second");
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return unit(minutes, "minute");
  const rest = minutes % 60;
  return unit(Math.floor(minutes / 60), "hour") + (rest ? ` ${unit(rest, "minute")}` : "");
};

/** How long ago something was, from unix seconds. */
export const ago = (when) => {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const gone = Date.now() / 1000 - when;
  if (gone < 60) return t("time.now");
  if (gone < 3600) return format.format(-Math.floor(gone / 60), "minute");
  if (gone < 86400) return format.format(-Math.floor(gone / 3600), "hour");
  return format.format(-Math.floor(gone / 86400), "day");
};
