// Talking with the server. A key, where one is asked for, is kept in this page's memory and nowhere else.

let key = "";

/** What the server refuses: its status, its words, and the fields that it names. */
export class Refusal extends Error {
  constructor(status, message, fields = []) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

export function useKey(text) {
  key = text;
}

export function hasKey() {
  return key !== "";
}

/** The answer of a path, posted to if there is a body. Throws Refusal. */
export async function ask(path, body) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = { headers, credentials: "omit", redirect: "error" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refusal(0, "The server does not answer.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  const problem = answer?.error ?? {};
  throw new Refusal(response.status, problem.message ?? `The server answers ${response.status}.`, problem.fields);
}
