/** The page: pictures come in, are told or taught, and what was taught is kept. */

import { card, csv, showNearest } from "./answers.js";
import { Camera } from "./camera.js";
import { Classes } from "./classes.js";
import { byId, element, replaceRows, save, thumbnail } from "./dom.js";
import { Drawing } from "./drawing.js";
import * as engine from "./engine.js";
import { Nearest } from "./nearest.js";
import { row } from "./panel.js";
import * as store from "./store.js";

const AT_ONCE = 16; // images of one request
const say = (text) => { byId("status").textContent = text; };
const camera = new Camera(byId("video")), drawing = new Drawing(byId("canvas"), byId("pen"), say);
let limits, bundle, classes, nearest, items = [], counted = 0, changes = 0;
let work = Promise.resolve();

/** Do one thing after the other, and say what goes wrong. */
function next(action) {
  work = work.then(async () => {
    byId("error").hidden = true;
    document.body.setAttribute("aria-busy", "true");
    await action();
  }).catch((error) => complain(error.message))
    .finally(() => document.body.setAttribute("aria-busy", "false"));
  return work;
}

function complain(text) {
  byId("error").textContent = text;
  byId("error").hidden = false;
}

const isTeaching = () => document.querySelector("[name=purpose]:checked").value === "teach";

/** Tell or teach pictures, as the person has chosen. */
async function take(files) {
  const name = byId("class-name").value.trim(), teaching = isTeaching();
  if (!bundle.takesPictures) throw new Error(`The bundle ${bundle.name} classifies no pictures.`);
  if (teaching) await classes.checkTeachable(name);
  const taken = [], refused = [];
  for (const [index, file] of files.entries()) {
    if (files.length > 1) say(`Picture ${index + 1} of ${files.length} ...`);
    try {
      taken.push(await read(file));
    } catch (error) {
      refused.push(`${file.name}: ${error.message}`);
    }
  }
  if (teaching) taken.forEach((example) => classes.teach(name, example));
  else items = [...taken, ...items];
  say("");
  if (taken.length && teaching) await changed(`${name}: ${taken.length} more.`);
  else if (taken.length) {
    await tell(taken);
    show();
    say(taken.map(({ file, answer }) => `${file}: ${answer.label}`).join(", "));
    await compare();
  }
  if (refused.length) complain(refused.join(" "));
}

async function read(file) {
  if (file.size > limits.bytes) throw new Error(`it has more than ${inWords(limits.bytes)}.`);
  const image = await engine.prepare(bundle, file, byId("invert").checked);
  return { file: file.name, image, thumb: await thumbnail(file) };
}

async function tell(list) {
  for (let at = 0; at < list.length; at += AT_ONCE) {
    const part = list.slice(at, at + AT_ONCE);
    const answers = await classes.answers(part.map(({ image }) => image));
    part.forEach((item, index) => { item.answer = answers[index]; });
  }
}

/** After a change of classes: keep it, and answer anew. */
async function changed(text) {
  changes += 1;
  byId("kept").textContent = await keep();
  await tell(items);
  show();
  say(text);
  await compare();
  scoreLeftOut(changes);
}

/** Show the pictures most like each, where the bundle has copies of those it was made of. */
async function compare() {
  if (!bundle.hasThumbnails || items.length === 0) return;
  const shown = [...items];
  const found = await nearest.of(shown.map(({ image }) => image), classes.entries);
  found.forEach((pictures, index) => showNearest(shown[index].card, pictures));
}

/** Keep the classes until the next visit; returns what is to be said of that. */
async function keep() {
  try {
    await (classes.changed ? store.keep(bundle.name, classes.kept) : store.drop(bundle.name));
    return classes.changed ? "Changes are kept in this browser, on this machine." : "";
  } catch {
    return "This browser lets the page keep nothing: a reload forgets the changes.";
  }
}

/** The left-out score, until classes change again. */
async function scoreLeftOut(since) {
  byId("left-out").textContent = "";
  try {
    const found = await classes.leftOut(() => since !== changes);
    if (found?.all && since === changes) {
      byId("left-out").textContent = "Taught pictures told right while each is left out: "
        + `${found.right} of ${found.all}.`;
    }
  } catch (error) {
    complain(error.message);
  }
}

function show() {
  byId("answers").replaceChildren(...items.map((item) => (
    item.card = card(item, classes.names, bundle.unknown))));
  const isTaught = ({ was }) => was === null;
  const ordered = [...classes.entries].sort((a, b) => isTaught(b) - isTaught(a)); // these first
  replaceRows(byId("classes"), ordered.map((entry) => (
    bundle.canGrow ? row(entry, change) : element("li", {}, entry.name))));
  byId("class-names").replaceChildren(...classes.names.map((value) => element("option", { value })));
  for (const id of ["csv", "forget-answers"]) byId(id).disabled = items.length === 0;
  byId("forget-classes").disabled = !classes.changed;
}

const change = (action) => next(async () => {
  action(classes);
  await changed("");
});

async function open(name) {
  bundle = await engine.open(name);
  history.replaceState(null, "", `#${encodeURIComponent(name)}`); // so that a reload opens it
  const kept = await store.load(name).catch(() => null);
  const fits = kept?.shape.join() === bundle.shape.join() && bundle.canGrow;
  classes = new Classes(bundle, fits ? kept : null);
  nearest = new Nearest(bundle);
  items = [];
  changes += 1;
  byId("fixed").hidden = bundle.canGrow;
  byId("download").hidden = !(limits.canExport && bundle.canGrow);
  byId("drawing-open").hidden = bundle.shape.at(-1) !== 1 || !bundle.takesPictures;
  byId("purpose").disabled = !bundle.canGrow;
  byId("left-out").textContent = "";
  byId("kept").textContent = fits
    ? `Restored from your last visit: ${classes.names.length} classes, ${classes.examples} pictures taught here.`
    : "";
  clearDrawing();
  show();
  if (fits) scoreLeftOut(changes);
}

const clearDrawing = () => drawing.clear(bundle.lightBackground !== byId("invert").checked);

const inWords = (bytes) => `${Math.floor(bytes / 2 ** 20)} MB`;

/** Open or close a part of the page by its button. */
function toggle(name, opened, closed) {
  const button = byId(`${name}-open`), part = byId(name);
  button.addEventListener("click", () => next(async () => {
    const opening = part.hidden;
    await (opening ? opened() : closed());
    part.hidden = !opening;
    button.setAttribute("aria-expanded", String(opening));
  }));
}

function listen() {
  const files = byId("files"), drop = byId("drop");
  files.addEventListener("change", () => {
    const chosen = [...files.files];
    files.value = "";
    next(() => take(chosen));
  });
  document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const dropped = [...event.dataTransfer.files];
    if (dropped.length) next(() => take(dropped));
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files];
    if (pasted.length) next(() => take(pasted));
  });
  toggle("camera", () => camera.start(), () => camera.stop());
  toggle("drawing", () => {}, () => {});
  byId("camera-take").addEventListener("click", () => next(async () => (
    take([await camera.file(`webcam ${counted += 1}.png`)]))));
  byId("drawing-use").addEventListener("click", () => next(async () => {
    await take([await drawing.file(`drawing ${counted += 1}.png`)]);
    clearDrawing();
  }));
  byId("drawing-clear").addEventListener("click", clearDrawing);
  byId("invert").addEventListener("change", clearDrawing);
  byId("class-name").addEventListener("focus", () => {
    document.querySelector("[value=teach]").checked = true;
  });
  byId("csv").addEventListener("click", () => (
    save(new Blob([csv(items, classes.names)], { type: "text/csv" }), `${bundle.name}.csv`)));
  byId("forget-answers").addEventListener("click", () => { items = []; show(); });
  byId("forget-classes").addEventListener("click", () => change(() => { classes = new Classes(bundle); }));
  byId("download").addEventListener("click", () => next(async () => (
    save(await engine.pack(bundle, classes.names, await classes.state()), `${bundle.name}.zip`))));
  byId("bundle").addEventListener("change", ({ target }) => next(() => open(target.value)));
}

next(async () => {
  limits = await engine.limits();
  const names = (await engine.bundles()).sort();
  if (names.length === 0) throw new Error("The server has no bundles.");
  byId("bundle").replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  byId("limits").textContent = "PNG, JPEG, WebP, GIF or BMP; at most "
    + `${inWords(limits.bytes)} and ${Number((limits.pixels / 1e6).toPrecision(3))} million pixels each.`;
  listen();
  const asked = decodeURIComponent(location.hash.slice(1));
  byId("bundle").value = names.includes(asked) ? asked : names[0];
  await open(byId("bundle").value);
});
