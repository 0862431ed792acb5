// Elements without markup: what comes from a stranger's data is only ever set as text.

/** An element with properties (or attributes, for names that are no property) and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, useGrouping: "min2" }); // a year has no comma
const LARGE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A number as a person reads it; what is no number stays as it is. */
export function said(value) {
  if (typeof value !== "number") return String(value);
  return (Math.abs(value) < 1e5 ? NUMBER : LARGE).format(value);
}

/** A number to four digits, for what is not known better. */
export function brief(value) {
  return Number(value.toPrecision(4));
}

/** A share between 0 and 1 in percent; one that is nearly certain is not called certain. */
export function saidShare(share) {
  if (share > 0.999 && share < 1) return "> 99.9%";
  if (share < 0.001 && share > 0) return "< 0.1%";
  return PERCENT.format(share);
}
