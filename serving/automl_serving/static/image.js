// An image to drop, or to choose, and its preview.

import { element, said } from "./element.js";

/** An input (see fields.js) whose cell is a File. */
export function imageInput(column, id) {
  const input = element("input", { id, type: "file", accept: "image/*" });
  const invitation = element("span", { textContent: "Drop an image here, or choose one" });
  const preview = element("img", { alt: "", hidden: true });
  const zone = element("label", { className: "drop", htmlFor: id }, preview, invitation, input);
  const remove = element("button", { type: "button", textContent: "Remove", hidden: true });
  remove.setAttribute("aria-label", `Remove the image of ${column.name}`);

  function show() {
    const file = input.files[0];
    URL.revokeObjectURL(preview.src);
    preview.hidden = remove.hidden = !file;
    if (file) preview.src = URL.createObjectURL(file);
    else preview.removeAttribute("src");
    preview.alt = file ? file.name : "";
    invitation.textContent = file ? `${file.name}, ${said(Math.ceil(file.size / 1024))} KB` : "Drop an image here, or choose one";
  }
  function take(files) {
    input.files = files;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  input.addEventListener("input", show);
  preview.addEventListener("error", () => (preview.hidden = true)); // a form that the server may still read
  remove.addEventListener("click", () => take(new DataTransfer().files));
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
  });
  // The schema's example is a single grey pixel: nobody wants to look at that.
  return { node: element("div", {}, zone, remove), read: () => input.files[0] ?? null, write: () => take(new DataTransfer().files) };
}

/** The bytes of a file as base64 text. */
export function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}
