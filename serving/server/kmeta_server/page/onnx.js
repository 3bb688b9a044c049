/** What computes: here onnxruntime-web, in the browser, from the files of this folder.
 *
 * Each network stands in one file; `adapt` and `classify` work on what it makes of images, as in
 * kmeta_edge/models.py.
 */

import { described } from "./described.js";
import { fitted } from "./lanczos.js";
import * as ort from "./onnxruntime/ort.js";
import { decoded, floats } from "./tensors.js";

const PART = 16; // images at once
const TYPES = { FP32: "float32", INT64: "int64" };
const sessions = {};
let folder;

ort.env.wasm.numThreads = 1; // more need headers that static hosts do not send
ort.env.wasm.wasmPaths = { wasm: new URL("onnxruntime/ort-wasm-simd-threaded.wasm", document.baseURI).href };

async function fetched(path) {
  const response = await fetch(path).catch(() => null);
  if (!response?.ok) throw new Error(`The file ${path} of this page cannot be had. Is its host there?`);
  return response;
}

/** How large a picture may be; bundles cannot be downloaded. */
export async function limits() {
  folder = await (await fetched("bundle.json")).json();
  const { max_request_bytes: bytes, max_picture_pixels: pixels } = folder.limits;
  return { bytes, pixels, canExport: false };
}

/** The name of the only bundle, in a list. */
export const bundles = async () => [folder.model.name];

export const open = async () => described(folder.model);

/** A picture's file as the model sees it, a Float32Array. */
export async function prepare(bundle, file, invert) {
  const image = fitted(await pixels(file), bundle.shape, bundle.crop);
  return invert ? image.map((value) => 1 - value) : image;
}

async function pixels(file) {
  let whole;
  try {
    whole = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error("this browser cannot read it as a picture.");
  }
  const { width, height } = whole;
  if (width * height > folder.limits.max_picture_pixels) {
    throw new Error(`it has ${width} x ${height} pixels, more than ${folder.limits.max_picture_pixels}.`);
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // where it is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(whole, 0, 0);
  whole.close();
  return context.getImageData(0, 0, width, height);
}

/** Outputs of a signature, tensors by name. */
export async function run(bundle, signature, inputs) {
  if (signature === "adapt") {
    const support_embeddings = await support(inputs.support_images);
    return call("adapt", { support_embeddings, support_labels: inputs.support_labels });
  }
  if (signature === "classify") {
    const { queries, ...known } = inputs;
    const embeddings = await embedded(embedder(), queries);
    return call("classify", { embeddings, ...known }, ["probabilities", "score"]);
  }
  if (signature === "embed") return { embeddings: await embedded(embedder(), inputs.images) };
  if (folder.files.includes("classifier")) return call("classifier", inputs, ["probabilities", "score"]);
  return run(bundle, "classify", { queries: inputs.images, ...await state() });
}

/** The file that embeds images. */
const embedder = () => (folder.files.includes("classifier") ? "classifier" : "embed");

/** Embedded support images, of several views [items, views, ...]. */
async function support(images) {
  const network = folder.files.includes("support") ? "support" : embedder();
  if (!folder.files.includes("views")) return embedded(network, images);
  return inParts(images, 1, async (image) => {
    const { views } = await call("views", { images: image });
    const found = await embedded(network, floats(views.data, views.shape.slice(1)));
    return floats(found.data, [1, ...found.shape]);
  });
}

const embedded = (name, images) => inParts(images, PART, async (part) => (
  (await call(name, { images: part }, ["embeddings"])).embeddings));

/** What a function makes of so many items of a tensor at a time, put together. */
async function inParts({ shape, data }, items, make) {
  const size = data.length / shape[0], found = [];
  for (let at = 0; at < shape[0]; at += items) {
    const part = data.slice(at * size, (at + items) * size);
    found.push(await make(floats(part, [part.length / size, ...shape.slice(1)])));
  }
  const all = new Float32Array(found.reduce((sum, part) => sum + part.data.length, 0));
  found.reduce((at, part) => { all.set(part.data, at); return at + part.data.length; }, 0);
  return floats(all, [shape[0], ...found[0].shape.slice(1)]);
}

/** Outputs of one file. */
async function call(name, inputs, outputs) {
  sessions[name] ??= session(name);
  const given = Object.fromEntries(Object.entries(inputs).map(([key, { datatype, shape, data }]) => (
    [key, new ort.Tensor(TYPES[datatype], data, shape)])));
  const found = await (await sessions[name]).run(given, ...(outputs ? [outputs] : []));
  return Object.fromEntries(Object.entries(found).map(([key, { type, dims, data }]) => (
    [key, { datatype: type === "int64" ? "INT64" : "FP32", shape: [...dims], data }])));
}

async function session(name) {
  const content = await (await fetched(`bundle/${name}.onnx`)).arrayBuffer();
  return ort.InferenceSession.create(new Uint8Array(content), { executionProviders: ["wasm"] });
}

/** What is known of the bundle's classes, tensors by name. */
export async function state() {
  return decoded(folder.state, await (await fetched("state.bin")).arrayBuffer());
}

/** Small copies of pictures that the bundle was made of, tensors by name. */
export async function thumbnails() {
  return decoded(folder.thumbnails, await (await fetched("thumbnails.bin")).arrayBuffer());
}
