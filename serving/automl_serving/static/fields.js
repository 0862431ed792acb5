// A field of the form for each column, by its kind.

import { element, said } from "./element.js";
import { imageInput } from "./image.js";

const MOST_OPTIONS = 30; // levels beyond are typed, with suggestions

/** An input is {node, read, write}: `read` gives a cell (null for none, a File for an image) or throws Error. */
const INPUTS = {
  number: numberInput,
  category: categoryInput,
  boolean: booleanInput,
  datetime: datetimeInput,
  text: textInput,
  image: imageInput,
};

/** The field of a column: {name, node, read, write, complain}. */
export function makeField(column, position) {
  const id = `field-${position}`;
  const input = INPUTS[column.kind](column, id);
  const hint = element("p", { id: `${id}-hint`, className: "hint", textContent: hintOf(column) });
  const problem = element("p", { id: `${id}-problem`, className: "field-problem" });
  const label = element("label", { htmlFor: id, textContent: column.name });
  if (column.unit) label.append(element("span", { className: "soft", textContent: ` (${column.unit})` }));
  const node = element("div", { className: `field ${column.kind}` }, label, input.node, hint, problem);
  const control = node.querySelector(`#${id}`);
  control.setAttribute("aria-describedby", `${hint.id} ${problem.id}`);

  function complain(text) {
    problem.textContent = text;
    if (text) node.hidden = false; // it may not have been among the columns that were sought
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
  node.addEventListener("input", () => complain(""));
  return { name: column.name, node, read: input.read, write: input.write, complain };
}

function hintOf({ kind, range, integer, levels, private: hidden }) {
  const words = [];
  if (kind === "number" && integer) words.push("whole number");
  if (range) words.push(`${said(range.minimum)} to ${said(range.maximum)} in training`);
  if (kind === "category" && levels.length > MOST_OPTIONS) words.push(`${said(levels.length)} levels are known`);
  if (hidden) words.push("personal data: no value of it is shown");
  return words.join(", ");
}

function numberInput(column, id) {
  const node = element("input", { id, type: "number", step: "any", autocomplete: "off" });
  function read() {
    if (node.validity.badInput) throw new Error("is no number");
    return node.value === "" ? null : Number(node.value);
  }
  return { node, read, write: (cell) => (node.value = cell ?? "") };
}

function textInput(column, id) {
  const node = element("textarea", { id, rows: 4 });
  return { node, read: () => node.value || null, write: (cell) => (node.value = cell ?? "") };
}

function lineInput(id, properties = {}) {
  const node = element("input", { id, type: "text", autocomplete: "off", spellcheck: false, ...properties });
  return { node, read: () => node.value || null, write: (cell) => (node.value = cell ?? "") };
}

function categoryInput(column, id) {
  if (column.levels.length > MOST_OPTIONS) return suggestingInput(column, id);
  return column.levels.length ? choosingInput(column, id) : lineInput(id);
}

function suggestingInput(column, id) {
  const input = lineInput(id, { list: `${id}-levels` });
  const levels = column.levels.map((level) => element("option", { value: level }));
  const node = element("div", {}, input.node, element("datalist", { id: `${id}-levels` }, ...levels));
  return { ...input, node };
}

// Options are told apart by their place: a level may have any text, also that of "another".
function choosingInput(column, id) {
  const known = column.levels.map((level, place) => element("option", { value: place, textContent: level }));
  const none = element("option", { value: "none", textContent: "(no value)" });
  const another = element("option", { value: "another", textContent: "another …" });
  const select = element("select", { id }, none, ...known, another);
  const other = lineInput(`${id}-another`, { hidden: true, "aria-label": `${column.name}: another level` });
  const show = () => (other.node.hidden = select.value !== "another");
  select.addEventListener("change", () => {
    show();
    if (!other.node.hidden) other.node.focus();
  });
  function read() {
    if (select.value === "another") return other.read();
    return select.value === "none" ? null : column.levels[select.value];
  }
  function write(cell) {
    const place = column.levels.indexOf(String(cell));
    const unknown = cell !== null && place < 0;
    select.value = cell === null ? "none" : unknown ? "another" : place;
    other.write(unknown ? String(cell) : null);
    show();
  }
  return { node: element("div", {}, select, other.node), read, write };
}

function booleanInput(column, id) {
  const spelt = column.levels.length === 2 ? column.levels : [false, true];
  const options = spelt.map((value, place) => element("option", { value: place, textContent: String(value) }));
  const node = element("select", { id }, element("option", { value: "none", textContent: "(no value)" }), ...options);
  const folded = spelt.map((value) => String(value).toLowerCase());
  function write(cell) {
    const place = typeof cell === "boolean" ? Number(cell) : folded.indexOf(String(cell).toLowerCase());
    node.value = cell === null || place < 0 ? "none" : place;
  }
  return { node, read: () => (node.value === "none" ? null : spelt[node.value]), write };
}

function datetimeInput(column, id) {
  if (!column.range) return lineInput(id, { placeholder: "2024-05-31 or 2024-05-31T14:30" });
  const timed = Object.values(column.range).some((end) => end.length > "2024-05-31".length);
  const type = timed ? "datetime-local" : "date";
  const input = lineInput(id, { type, step: timed ? 1 : "any" });
  function write(cell) {
    input.node.type = type;
    input.write(cell);
    if (cell !== null && !input.node.value) {
      input.node.type = "text"; // a moment that the browser's input cannot hold
      input.write(cell);
    }
  }
  return { ...input, write };
}
