// The models of a server that has several.

import { Refusal, ask } from "./api.js";
import { element } from "./element.js";
import { askForKey, showProblem } from "./refused.js";

async function start() {
  try {
    const { models } = await ask("models");
    document.getElementById("models").replaceChildren(...models.map(entry));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) askForKey(error, start);
    else showProblem(error.message);
  }
}

function entry({ model, version }) {
  const link = element("a", { href: `models/${encodeURIComponent(model)}/`, textContent: model });
  return element("li", { className: "card" }, link, element("span", { className: "soft", textContent: ` version ${version}` }));
}

start();
