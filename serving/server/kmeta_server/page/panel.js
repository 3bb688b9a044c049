/** The list of classes: their names, the pictures that were taught, and buttons. */

import { element, shown } from "./dom.js";

/** An element of the list; `act` is called with what to do with the classes. */
export function row({ name, was, examples }, act) {
  const field = element("input", { value: name, maxLength: 200, "aria-label": `Name of the class ${name}` });
  field.addEventListener("change", () => act((classes) => classes.rename(name, field.value.trim())));
  const remove = element("button", { type: "button", "aria-label": `Remove the class ${name}` }, "Remove");
  remove.addEventListener("click", () => act((classes) => classes.remove(name)));
  const pictures = examples.map((example, index) => {
    const text = `Remove picture ${index + 1} of ${name}`;
    const button = element("button", { type: "button", title: text, "aria-label": text },
      shown(example.thumb, "picture small"));
    button.addEventListener("click", () => act((classes) => classes.forget(name, index)));
    return button;
  });
  const count = examples.length === 1 ? "1 picture" : `${examples.length} pictures`;
  const origin = was === null ? `taught here, ${count}` : "of the bundle";
  const more = was !== null && examples.length > 0 ? `, and ${count} taught here` : "";
  return element("li", {},
    element("div", { className: "buttons" }, field, remove),
    element("p", { className: "file" }, origin + more),
    ...(pictures.length ? [element("div", { className: "examples" }, ...pictures)] : []));
}
