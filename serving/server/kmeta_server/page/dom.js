/** Small helpers for the document. Texts enter it as texts, so that no name can be markup. */

export const byId = (id) => document.getElementById(id);

/** A new element with properties and children; those whose names have a dash are attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** Put new rows in the place of a list's; what had the focus keeps it, with what is typed there. */
export function replaceRows(list, rows) {
  const fields = () => [...list.querySelectorAll("input, button")];
  const before = document.activeElement, place = fields().indexOf(before);
  list.replaceChildren(...rows);
  if (place < 0) return;
  const after = fields()[Math.min(place, fields().length - 1)];
  after?.focus();
  if (after?.ariaLabel === before.ariaLabel && "value" in before) after.value = before.value;
}

/** Let the browser save a blob as a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A small copy of a picture for the page, a blob; null where the browser cannot show it. */
export async function thumbnail(file, side = 160) {
  try {
    const whole = await createImageBitmap(file);
    const scale = Math.min(1, side / Math.max(whole.width, whole.height));
    const canvas = element("canvas", {
      width: Math.max(1, Math.round(whole.width * scale)),
      height: Math.max(1, Math.round(whole.height * scale)),
    });
    canvas.getContext("2d").drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    return await new Promise((done) => canvas.toBlob(done));
  } catch {
    return null;
  }
}

/** An image of a blob from `thumbnail`; nothing reads its text where a name stands beside it. */
export function shown(blob, className, alt = "") {
  const image = element("img", { className, alt });
  if (blob) {
    const url = URL.createObjectURL(blob);
    image.onload = () => URL.revokeObjectURL(url);
    image.src = url;
  }
  return image;
}
