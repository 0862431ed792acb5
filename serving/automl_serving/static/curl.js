// The command line that asks the same, for a POSIX shell.

const KEY = '"Authorization: Bearer $AUTOML_KEY"';

/** One command for a row of cells; a File stands for its content, and the key for itself: it is not shown. */
export function curlLine(url, row, withKey) {
  const words = ["curl", "-s", quoted(url), "-H", quoted("Content-Type: application/json")];
  if (withKey) words.push("-H", KEY);
  const cells = Object.entries(row);
  if (!cells.some(([, cell]) => cell instanceof File)) return [...words, "-d", quoted(JSON.stringify({ rows: [row] }))].join(" ");
  if (!cells.some(([name]) => name.includes("="))) return formLine(url, cells, withKey);
  // curl cannot name a part so, and an image is too long for an argument: it goes through the standard input.
  const fields = cells.map(([name, cell]) => `${expanding(JSON.stringify(name))}: ${shellCell(cell)}`);
  return `${words.join(" ")} --data-binary @- <<END\n{"rows": [{${fields.join(", ")}}]}\nEND`;
}

/** The command that uploads a form; `--form-string`, since -F reads a file for a text that begins with @. */
function formLine(url, cells, withKey) {
  const words = ["curl", "-s", quoted(url)];
  if (withKey) words.push("-H", KEY);
  for (const [name, cell] of cells) {
    if (cell instanceof File) words.push("-F", quoted(`${name}=@"./${cell.name.replace(/[\\"]/g, "\\$&")}"`));
    else words.push("--form-string", quoted(`${name}=${cell ?? ""}`));
  }
  return words.join(" ");
}

function shellCell(cell) {
  if (cell instanceof File) return `"$(base64 < ${quoted(`./${cell.name}`)} | tr -d '\\n')"`;
  return expanding(JSON.stringify(cell));
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Text in a here-document, where the shell would expand three characters. */
function expanding(text) {
  return text.replace(/[\\$`]/g, "\\$&");
}
