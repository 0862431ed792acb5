// What a page does when the server refuses: say why, or ask for a key.

import { hasKey, useKey } from "./api.js";
import { element } from "./element.js";

const problem = document.getElementById("problem");

/** Show a problem, or none for an empty text. */
export function showProblem(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

/** Ask for a key after a Refusal, then call `again`. */
export function askForKey(refusal, again) {
  showProblem(hasKey() ? refusal.message : "");
  document.getElementById("key-form")?.remove();
  const words = "This server answers to those who have a key. The key is kept until you leave the page.";
  const hint = element("p", { id: "key-hint", className: "soft", textContent: words });
  const input = element("input", { id: "key", type: "password", autocomplete: "off", spellcheck: false, required: true });
  input.setAttribute("aria-describedby", hint.id);
  const label = element("label", { htmlFor: "key", textContent: "API key" });
  const line = element("div", { className: "line" }, input, element("button", { textContent: "Use key" }));
  const form = element("form", { id: "key-form", className: "card" }, label, hint, line);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(input.value.trim());
    form.remove();
    showProblem("");
    again();
  });
  problem.before(form);
  input.focus();
}
