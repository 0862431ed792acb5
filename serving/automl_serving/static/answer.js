// What the model answers, and why.

import { brief, element, said, saidShare } from "./element.js";

const FLAGS = {
  unseen_level: "has a level that training never saw",
  out_of_range: "is beyond all that training saw",
  missing: "is missing, and never was in training",
};
const ADDS = { classify: "What each column adds, in percentage points:", regress: "What each column adds:" };
const MOST_SHOWN = 10; // classes, or columns of a reason
const LEAST_SHARE = 0.0005; // of a probability; smaller effects would read as none

/** The children of the answer's section. `why` is called with the button when somebody asks why. */
export function answerNodes(answer, schema, why) {
  const prediction = answer.predictions[0];
  const nodes = [
    soft(schema.target),
    element("p", { id: "prediction", className: "big", textContent: saidPrediction(prediction.prediction, schema) }),
  ];
  if (prediction.probabilities) nodes.push(probabilities(prediction.probabilities));
  if (prediction.flags.length) nodes.push(flags(prediction.flags));
  const origin = `version ${answer.version} · id ${prediction.id}`;
  if (answer.version !== schema.version) nodes.push(soft(`The form is that of version ${schema.version}.`));
  const button = element("button", { id: "why", type: "button", textContent: "Why?" });
  button.addEventListener("click", () => why(button));
  nodes.push(element("p", { id: "origin", className: "soft small", textContent: origin }), button);
  return nodes;
}

/** The children that tell why; they take the place of the button that asked. */
export function reasonNodes(answer, schema) {
  const { output, usual, effects } = answer.explanations[0];
  const classified = schema.task === "classify";
  const figure = (value) => (classified ? saidShare(value) : withUnit(value, schema.unit));
  const change = (value) => `${value < 0 ? "−" : "+"}${classified ? inPoints(value) : said(brief(Math.abs(value)))}`;
  const felt = effects.filter(({ effect }) => (classified ? Math.abs(effect) >= LEAST_SHARE : effect !== 0));
  const most = Math.max(...felt.map(({ effect }) => Math.abs(effect)));
  const rows = felt.slice(0, MOST_SHOWN).map(({ column, effect }) => barRow(column, effect / most, change(effect)));
  const table = element("table", { id: "reasons", className: "bars", "aria-label": "What each column adds" }, ...rows);
  return [
    element("h3", { textContent: "Why" }),
    soft(`${figure(output)}, where an average row has ${figure(usual)}. ${felt.length ? ADDS[schema.task] : ""}`),
    felt.length ? withMore(table, felt.length) : element("p", { textContent: "No column by itself changes this answer." }),
    element("p", { className: "soft small", textContent: answer.method }),
  ];
}

function inPoints(share) {
  return (100 * Math.abs(share)).toFixed(1);
}

function flags(told) {
  const lines = told.map(({ column, kind }) => element("li", { textContent: `${column} ${FLAGS[kind] ?? kind}` }));
  return element("ul", { id: "flags", className: "flags", "aria-label": "Unlike all of training" }, ...lines);
}

function soft(text) {
  return element("p", { className: "soft", textContent: text });
}

/** A class as the data spells it (JSON has 1 and true where that has 1.0 and True), or a value with its unit. */
function saidPrediction(value, { task, classes, unit }) {
  if (task !== "classify") return withUnit(value, unit);
  const text = String(value);
  const same = (name) => name.toLowerCase() === text || (typeof value === "number" && Number(name) === value);
  return classes.includes(text) ? text : (classes.find(same) ?? text);
}

function withUnit(value, unit) {
  return unit ? `${said(value)} ${unit}` : said(value);
}

function probabilities(shares) {
  const sorted = Object.entries(shares).sort(([, one], [, other]) => other - one);
  const rows = sorted.slice(0, MOST_SHOWN).map(([name, share]) => barRow(name, share, saidShare(share)));
  const table = element("table", { id: "probabilities", className: "bars", "aria-label": "Probabilities" }, ...rows);
  return withMore(table, sorted.length);
}

/** A row of a table with a bar; `size` is between -1 and 1. */
function barRow(name, size, figure) {
  const bar = element("div", { className: size < 0 ? "bar against" : "bar", "aria-hidden": "true" });
  bar.style.width = `${Math.min(Math.abs(size), 1) * 100}%`;
  const head = element("th", { scope: "row", textContent: name });
  return element(
    "tr",
    {},
    head,
    element("td", {}, bar),
    element("td", { className: "figure", textContent: figure }),
  );
}

function withMore(table, count) {
  if (count <= MOST_SHOWN) return table;
  return element("div", {}, table, soft(`and ${count - MOST_SHOWN} more`));
}
