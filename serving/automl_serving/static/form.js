// The form of a model: made from its schema, sent to its endpoint.

import { answerNodes, reasonNodes } from "./answer.js";
import { Refusal, ask, hasKey } from "./api.js";
import { curlLine } from "./curl.js";
import { brief, element, said } from "./element.js";
import { makeField } from "./fields.js";
import { base64 } from "./image.js";
import { askForKey, showProblem } from "./refused.js";

const MANY_FIELDS = 20; // from here on there is a search for columns
const at = (id) => document.getElementById(id);

let schema;
let fields = [];

async function start() {
  try {
    schema = await ask("schema");
    if (!fields.length) build();
    at("work").hidden = false;
    introduce(await ask("model"));
  } catch (error) {
    refuse(error, start);
  }
}

function introduce(card) {
  document.title = `${card.model} · version ${card.version}`;
  at("title").textContent = card.model;
  const words = [`version ${card.version}`, `predicts ${card.target}`];
  if (card.score && card.score.value !== null) {
    const { metric, value, low, high } = card.score;
    const interval = low === null ? "" : ` (95%: ${said(brief(low))} to ${said(brief(high))})`;
    words.push(`${metric} ${said(brief(value))}${interval}`);
  }
  words.push(`from ${said(card.rows)} rows`);
  at("about").textContent = words.join(" · ");
}

function build() {
  fields = schema.columns.map(makeField);
  at("fields").append(...fields.map((field) => field.node));
  at("find").hidden = fields.length < MANY_FIELDS;
  at("example").hidden = schema.columns.every(({ kind }) => kind === "image"); // there is no picture to show
  fill(schema.example);
}

function fill(row) {
  for (const field of fields) {
    field.write(Object.hasOwn(row, field.name) ? row[field.name] : null);
    field.complain("");
  }
  changed();
}

function changed() {
  showCommand();
  at("answer").classList.add("stale");
}

/** The row as the form holds it, with a File for an image. Throws Unreadable. */
function read() {
  return Object.fromEntries(fields.map((field) => [field.name, cellOf(field)]));
}

class Unreadable extends Error {}

function cellOf(field) {
  try {
    return field.read();
  } catch (error) {
    throw new Unreadable(error.message, { cause: field });
  }
}

function showCommand() {
  try {
    at("curl").textContent = curlLine(new URL("predict", document.baseURI).href, read(), hasKey());
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error; // somebody is in the middle of a number
  }
}

async function predict() {
  const button = at("predict");
  button.disabled = true;
  showProblem("");
  try {
    const row = read();
    if (Object.values(row).every((cell) => cell === null)) return showProblem("Every field is empty; fill in at least one.");
    const body = { rows: [await sendable(row)] };
    const answer = await ask("predict", body);
    const title = at("answer").querySelector("h2");
    at("answer").replaceChildren(title, ...answerNodes(answer, schema, (pressed) => why(pressed, body)));
    at("answer").classList.remove("stale");
    at("answer").scrollIntoView({ block: "nearest" });
    showCommand(); // which names a key if there is one by now
  } catch (error) {
    refuse(error, predict);
  } finally {
    button.disabled = false;
  }
}

async function sendable(row) {
  const cells = Object.entries(row).map(async ([name, cell]) => [name, cell instanceof File ? await base64(cell) : cell]);
  return Object.fromEntries(await Promise.all(cells));
}

async function why(button, body) {
  button.disabled = true;
  try {
    button.replaceWith(...reasonNodes(await ask("explain", body), schema));
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) {
      button.replaceWith(element("p", { className: "soft", textContent: "This server does not explain its answers." }));
    } else {
      button.disabled = false;
      refuse(error, () => why(button, body));
    }
  }
}

/** Say what is wrong and where; if a key is missing, ask for it and do `again` what was refused. */
function refuse(error, again) {
  if (error instanceof Unreadable) error.cause.complain(error.message);
  else if (!(error instanceof Refusal)) throw error;
  else if (error.status === 401) return askForKey(error, again);
  else {
    showProblem(error.message);
    for (const told of error.fields) fieldNamed(told.field)?.complain(`expected ${told.expected}, got ${told.got}`);
  }
  at("fields").querySelector("[aria-invalid]")?.focus();
}

function fieldNamed(name) {
  return fields.find((field) => field.name === name);
}

async function copy() {
  const button = at("copy");
  try {
    await navigator.clipboard.writeText(at("curl").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  } catch {
    getSelection().selectAllChildren(at("curl")); // no clipboard without TLS: Ctrl-C does it
    button.textContent = "Selected";
  }
}

at("row").addEventListener("input", changed);
at("row").addEventListener("submit", (event) => {
  event.preventDefault();
  predict();
});
at("clear").addEventListener("click", () => fill({}));
at("example").addEventListener("click", () => fill(schema.example));
at("copy").addEventListener("click", copy);
at("find").addEventListener("input", () => {
  const sought = at("find").value.toLowerCase();
  for (const field of fields) field.node.hidden = !field.name.toLowerCase().includes(sought);
});
start();
