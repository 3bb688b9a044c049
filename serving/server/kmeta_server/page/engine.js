/** What computes: here the server. A folder for static hosts has `onnx.js` in this place. */

import { described } from "./described.js";
import { LENGTH, decoded, encoded } from "./tensors.js";

const SIGNATURES = ["serving_raw", "embed", "adapt", "classify", "episode"];

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (!response.ok) {
    const { error } = await response.json().catch(() => ({}));
    throw new Error(error ?? `The server answered with status ${response.status}.`);
  }
  return response;
}

const model = (name) => `v2/models/${encodeURIComponent(name)}`;
const post = (path, { body, headers }) => ask(path, { method: "POST", body, headers });

/** How large a picture may be, and whether bundles can be downloaded. */
export async function limits() {
  const { parameters } = await (await ask("v2")).json();
  return {
    bytes: parameters.max_request_bytes,
    pixels: parameters.max_picture_pixels,
    canExport: parameters.allow_export,
  };
}

/** The names of the bundles that are served. */
export async function bundles() {
  const index = await (await ask("v2/repository/index", { method: "POST" })).json();
  const names = new Set(index.map(({ name }) => name));
  return [...names].filter((name) => (
    !SIGNATURES.some((end) => name.endsWith(`.${end}`) && names.has(name.slice(0, -end.length - 1)))));
}

/** The bundle of a name. */
export async function open(name) {
  return described(await (await ask(model(name))).json());
}

/** A picture's file as the model sees it, a Float32Array. */
export async function prepare(bundle, file, invert) {
  const form = new FormData();
  form.append("pictures", file, file.name);
  const path = `${model(bundle.name)}/prepare?invert=${invert}`;
  return (await binary(await ask(path, { method: "POST", body: form }))).images.data;
}

/** Tensors by name of an answer with bytes. */
async function binary(response) {
  const length = Number(response.headers.get(LENGTH)), bytes = await response.arrayBuffer();
  const head = JSON.parse(new TextDecoder().decode(bytes.slice(0, length)));
  return decoded(head, bytes.slice(length));
}

/** Outputs of a signature, tensors by name. */
export async function run(bundle, signature, inputs) {
  const name = signature === "serving_default" ? bundle.name : `${bundle.name}.${signature}`;
  return decoded(await (await post(`${model(name)}/infer`, encoded(inputs))).json());
}

/** What is known of the bundle's classes, tensors by name. */
export async function state(bundle) {
  return binary(await ask(`${model(bundle.name)}/state`));
}

/** Small copies of pictures that the bundle was made of, tensors by name. */
export async function thumbnails(bundle) {
  return binary(await ask(`${model(bundle.name)}/thumbnails`));
}

/** A bundle of other classes, a zip archive. */
export async function pack(bundle, classNames, known) {
  const request = encoded(known, { class_names: classNames });
  return (await post(`${model(bundle.name)}/bundle`, request)).blob();
}
