/** Which pictures that a bundle was made of, or was taught, are most like others.
 *
 * Compared are the directions of what the network sees in each, as in kmeta_edge/nearest.py.
 */

import * as engine from "./engine.js";
import { stacked } from "./tensors.js";

const SHOWN = 3; // pictures of one answer
const AT_ONCE = 16; // images of one request

export class Nearest {
  constructor(bundle) {
    this.bundle = bundle;
    this.own = null; // the bundle's pictures, once they are needed
    this.directions = new WeakMap(); // of images, as arrays
  }

  /** Of each image the pictures most like it, `[{thumb, file, name, cosine}, ...]`.
   *
   * entries: the classes as they are now, see classes.js; pictures of those removed do not count.
   */
  async of(images, entries) {
    const known = [];
    for (const picture of await this.#own()) {
      const entry = entries.find(({ was }) => was === picture.was);
      if (entry) known.push({ ...picture, name: entry.name });
    }
    const taught = entries.flatMap(({ name, examples }) => (
      examples.map(({ image, thumb, file }) => ({ image, thumb, file, name }))));
    await this.#look([...images, ...taught.map(({ image }) => image)]);
    for (const { image, ...picture } of taught) {
      known.push({ ...picture, direction: this.directions.get(image) });
    }
    return images.map((image) => most(known, this.directions.get(image)));
  }

  async #own() {
    return this.own ??= pictures(await engine.thumbnails(this.bundle), this.bundle.classNames);
  }

  /** Find the directions of images that have none yet. */
  async #look(images) {
    const fresh = images.filter((image) => !this.directions.has(image));
    for (let at = 0; at < fresh.length; at += AT_ONCE) {
      const part = fresh.slice(at, at + AT_ONCE);
      const given = { images: stacked(part, this.bundle.shape) };
      const { embeddings } = await engine.run(this.bundle, "embed", given);
      rows(embeddings).forEach((row, index) => this.directions.set(part[index], direction(row)));
    }
  }
}

function pictures({ copies, ends, labels, names, features }, classNames) {
  const all = rows(features);
  return names.data.map((file, index) => {
    const from = index === 0 ? 0 : Number(ends.data[index - 1]);
    const copy = copies.data.slice(from, Number(ends.data[index]));
    return {
      thumb: new Blob([copy], { type: "image/webp" }),
      file,
      was: classNames[Number(labels.data[index])],
      direction: direction(all[index]),
    };
  });
}

function rows({ shape, data }) {
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, row) => data.subarray(row * size, (row + 1) * size));
}

function direction(vector) {
  const length = Math.max(Math.sqrt(dot(vector, vector)), 1e-12);
  return vector.map((value) => value / length);
}

const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);

function most(known, to) {
  return known.map(({ direction: from, ...picture }) => ({ ...picture, cosine: dot(from, to) }))
    .sort((a, b) => b.cosine - a.cosine).slice(0, SHOWN);
}
