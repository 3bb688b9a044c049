/** The classes of a bundle as a person has changed them: some renamed or removed, some taught.
 *
 * Nothing is trained: a class is what the bundle's `adapt` makes of its pictures, joined to what
 * is known of the others.
 */

import * as engine from "./engine.js";
import { hasItems, joined, without, withoutRow } from "./state.js";
import { labels, stacked } from "./tensors.js";

const largest = (numbers) => numbers.indexOf(Math.max(...numbers));
const MOST_LEFT_OUT = 40; // pictures, evenly spread where there are more

export class Classes {
  /** `kept`: what `kept` returned in an earlier visit, if there was one. */
  constructor(bundle, kept) {
    this.bundle = bundle;
    this.base = null; // the bundle's own state, once it is needed
    this.parts = new Map(); // of each entry, the state of its pictures alone
    this.entries = bundle.classNames.map((name) => ({ name, was: name, examples: [] }));
    if (kept?.version === bundle.version) this.entries = kept.entries;
    else if (kept) this.entries.push(...kept.entries.filter((entry) => (
      entry.was === null && !bundle.classNames.includes(entry.name))));
  }

  get names() {
    return this.entries.map(({ name }) => name);
  }

  get examples() {
    return this.entries.reduce((count, { examples }) => count + examples.length, 0);
  }

  get changed() {
    return this.examples > 0 || this.names.join("\0") !== this.bundle.classNames.join("\0");
  }

  /** What the browser keeps until the next visit. */
  get kept() {
    return { version: this.bundle.version, shape: this.bundle.shape, entries: this.entries };
  }

  #named(name) {
    return this.entries.find((entry) => entry.name === name);
  }

  #checkName(name) {
    if (!name) throw new Error("Give the class a name first.");
    if (name === this.bundle.unknown) throw new Error(`No class can be called ${name}.`);
    if (/[\p{Cc}\p{Cs}]/u.test(name)) throw new Error("Names must not have control characters.");
  }

  /** Raise an error unless pictures can be added to a class of this name. */
  async checkTeachable(name) {
    this.#checkName(name);
    const entry = this.#named(name);
    if (entry && entry.was !== null && !hasItems(await this.#base())) {
      throw new Error(`Of ${name} the bundle keeps one summary, to which no picture can be added. `
        + "Remove the class and teach it anew, or choose another name.");
    }
  }

  /** Add an example, `{image, thumb, file}`, to a class, which is new or known. */
  teach(name, example) {
    let entry = this.#named(name);
    if (!entry) this.entries.push(entry = { name, was: null, examples: [] });
    entry.examples.push(example);
    this.parts.delete(entry);
  }

  /** Take an example away; a taught class without any goes too. */
  forget(name, index) {
    const entry = this.#named(name);
    if (entry.was === null && entry.examples.length === 1) return this.remove(name);
    entry.examples.splice(index, 1);
    this.parts.delete(entry);
  }

  remove(name) {
    if (this.entries.length === 2) throw new Error("Two classes must remain: teach another first.");
    this.entries = this.entries.filter((entry) => entry.name !== name);
  }

  rename(name, other) {
    this.#checkName(other);
    if (other !== name && this.#named(other)) throw new Error(`There is a class ${other} already.`);
    this.#named(name).name = other;
  }

  async #base() {
    return this.base ??= await engine.state(this.bundle);
  }

  async #adapted(examples) {
    return engine.run(this.bundle, "adapt", {
      support_images: stacked(examples.map(({ image }) => image), this.bundle.shape),
      support_labels: labels(examples.length, 0),
    });
  }

  async #part(entry) {
    if (!this.parts.has(entry)) this.parts.set(entry, await this.#adapted(entry.examples));
    return this.parts.get(entry);
  }

  /** The state of an entry's pictures alone, without one of them. */
  async #partWithout(entry, example) {
    const index = entry.examples.indexOf(example);
    if (hasItems(await this.#base())) return withoutRow(await this.#part(entry), index);
    return this.#adapted(entry.examples.filter((other) => other !== example));
  }

  /** What is known of all classes, without one example of an entry where these are given. */
  async state(entryOfOne = null, example = null) {
    let known = await this.#base();
    for (let index = this.bundle.classNames.length - 1; index >= 0; index -= 1) {
      const was = this.bundle.classNames[index];
      if (!this.entries.some((entry) => entry.was === was)) known = without(known, index);
    }
    for (const [index, entry] of this.entries.entries()) {
      const leaves = entry === entryOfOne;
      if (entry.examples.length === (leaves ? 1 : 0)) continue;
      const part = await (leaves ? this.#partWithout(entry, example) : this.#part(entry));
      known = joined(known, part, index);
    }
    return known;
  }

  /** What is said of images, for each `{label, score, probabilities}`. */
  async answers(images) {
    if (!this.changed) {
      const inputs = { images: stacked(images, this.bundle.shape) };
      const found = await engine.run(this.bundle, "serving_default", inputs);
      return this.#listed(found);
    }
    return this.#classified(await this.state(), images);
  }

  async #classified(state, images) {
    const inputs = { queries: stacked(images, this.bundle.shape), ...state };
    const found = await engine.run(this.bundle, "classify", inputs);
    return this.#listed(found);
  }

  #listed({ probabilities, score }) {
    const way = probabilities.shape[1], threshold = Math.fround(this.bundle.threshold);
    return Array.from(score.data, (value, row) => {
      const shares = Array.from(probabilities.data.subarray(row * way, (row + 1) * way));
      const likeliest = this.names[largest(shares)];
      const label = value >= threshold ? likeliest : this.bundle.unknown;
      return { label, score: value, probabilities: shares };
    });
  }

  /** How many taught pictures are told right while each is left out: `{right, all}`.
   *
   * `stopped()` says whether the answer is wanted no more; then it is null.
   */
  async leftOut(stopped) {
    const all = this.entries.filter(({ was, examples }) => examples.length > (was === null ? 1 : 0))
      .flatMap((entry) => entry.examples.map((example) => ({ entry, example })));
    const step = Math.max(1, all.length / MOST_LEFT_OUT);
    const chosen = all.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step));
    let right = 0;
    for (const { entry, example } of chosen) {
      if (stopped()) return null;
      const state = await this.state(entry, example);
      const [{ probabilities }] = await this.#classified(state, [example.image]);
      right += this.entries[largest(probabilities)] === entry;
    }
    return { right, all: chosen.length };
  }
}
