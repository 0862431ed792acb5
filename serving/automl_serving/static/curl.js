// The command line that asks the same, for a POSIX shell.

/** One command for a row of cells; a File stands for its content, and the key for itself: it is not shown. */
export function curlLine(url, row, withKey) {
  const words = ["curl", "-s", quoted(url), "-H", quoted("Content-Type: application/json")];
  if (withKey) words.push("-H", '"Authorization: Bearer $AUTOML_KEY"');
  const cells = Object.entries(row);
  const files = cells.filter(([, cell]) => cell instanceof File);
  if (!files.length) return [...words, "-d", quoted(JSON.stringify({ rows: [row] }))].join(" ");
  // An image is too long for an argument, so it goes through the standard input.
  const fields = cells.map(([name, cell]) => `${expanding(JSON.stringify(name))}: ${shellCell(cell)}`);
  return `${words.join(" ")} --data-binary @- <<END\n{"rows": [{${fields.join(", ")}}]}\nEND`;
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
