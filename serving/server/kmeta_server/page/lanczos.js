/** Pixels as the model sees them, by the rules of kmeta_edge/pixels.py: the same numbers. */

const REACH = 3;

/** A picture as a Float32Array `shape`, `[height, width, 1 or 3]`, in [0, 1].
 *
 * picture: `{width, height, data}`, red, green, blue and alpha of each pixel; alpha is passed over.
 * crop: null for the whole picture, or the share of its shorter side that is taken in the middle.
 */
export function fitted({ width, height, data }, shape, crop) {
  const [rows, columns, channels] = shape, box = middle(height, width, shape, crop);
  const image = new Float32Array(rows * columns * channels);
  for (let channel = 0; channel < channels; channel += 1) {
    let plane = channels === 1 ? grey(data) : only(data, channel);
    if (rows !== height || columns !== width || crop !== null) {
      plane = resized(plane, height, width, rows, columns, box);
    }
    plane.forEach((value, at) => { image[at * channels + channel] = value / 255; });
  }
  return image;
}

/** Pillow's grey, a whole number. */
function grey(data) {
  const plane = new Float32Array(data.length / 4);
  for (let at = 0, from = 0; at < plane.length; at += 1, from += 4) {
    const weighed = 19595 * data[from] + 38470 * data[from + 1] + 7471 * data[from + 2];
    plane[at] = (weighed + 32768) >>> 16;
  }
  return plane;
}

function only(data, channel) {
  const plane = new Float32Array(data.length / 4);
  for (let at = 0; at < plane.length; at += 1) plane[at] = data[4 * at + channel];
  return plane;
}

/** The part of a picture that is taken: left, top, right, bottom. */
function middle(height, width, [rows, columns], crop) {
  if (crop === null) return [0, 0, width, height];
  const scale = crop * Math.min(height / rows, width / columns);
  const across = Math.max(0, (width - columns * scale) / 2);
  const down = Math.max(0, (height - rows * scale) / 2);
  return [across, down, width - across, height - down].map(Math.fround);
}

/** A plane `[height, width]` as `[rows, columns]`, by a Lanczos filter, from 0 to 255. */
function resized(plane, height, width, rows, columns, [left, top, right, bottom]) {
  const down = taps(height, top, bottom, rows), across = taps(width, left, right, columns);
  const first = down[0].from, last = down.at(-1).from + down.at(-1).weights.length;
  const narrow = new Float32Array((last - first) * columns);
  for (let row = first; row < last; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const { from, weights } = across[column], start = row * width + from;
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap += 1) sum += weights[tap] * plane[start + tap];
      narrow[(row - first) * columns + column] = sum;
    }
  }
  const image = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    const { from, weights } = down[row];
    for (let column = 0; column < columns; column += 1) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap += 1) {
        sum += weights[tap] * narrow[(from - first + tap) * columns + column];
      }
      image[row * columns + column] = Math.min(255, Math.max(0, Math.fround(sum)));
    }
  }
  return image;
}

/** What each of `wanted` pixels takes from a side of `given`, of which `begin` to `end` is used. */
function taps(given, begin, end, wanted) {
  if (given === wanted && begin === 0 && end === given) {
    return Array.from({ length: given }, (_, from) => ({ from, weights: [1] }));
  }
  const scale = Math.fround(end - begin) / wanted, filter = Math.max(1, scale);
  return Array.from({ length: wanted }, (_, index) => {
    const centre = begin + (index + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - REACH * filter + 0.5));
    const to = Math.min(given, Math.trunc(centre + REACH * filter + 0.5));
    const weights = Array.from({ length: to - from }, (_, tap) => (
      lanczos((tap + from - centre + 0.5) * (1 / filter))));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { from, weights: weights.map((weight) => weight / sum) };
  });
}

function lanczos(x) {
  return -REACH <= x && x < REACH ? sinc(x) * sinc(x / REACH) : 0;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}
