/** Tensors as the Open Inference Protocol sends them: JSON, with bytes behind it.
 *
 * A tensor is `{datatype, shape, data}`, its data a typed array, or a list of texts.
 */

const KINDS = { FP32: Float32Array, INT64: BigInt64Array, UINT8: Uint8Array };
export const LENGTH = "Inference-Header-Content-Length";

export const floats = (data, shape) => ({ datatype: "FP32", shape, data });
export const labels = (count, label) => ({
  datatype: "INT64", shape: [count], data: new BigInt64Array(count).fill(BigInt(label)),
});

/** Body and headers of a request with tensors by name. */
export function encoded(inputs, parameters = {}) {
  const described = Object.entries(inputs).map(([name, { datatype, shape, data }]) => (
    { name, datatype, shape, parameters: { binary_data_size: data.byteLength } }));
  const head = new TextEncoder().encode(JSON.stringify({ inputs: described, parameters }));
  const body = new Blob([head, ...Object.values(inputs).map(({ data }) => data)]);
  return { body, headers: { [LENGTH]: head.length, "Content-Type": "application/octet-stream" } };
}

/** Tensors by name of the JSON of an answer, and the bytes behind it. */
export function decoded({ outputs }, bytes) {
  let at = 0;
  return Object.fromEntries(outputs.map(({ name, datatype, shape, data, parameters }) => {
    const kind = KINDS[datatype];
    if (!kind) return [name, { datatype, shape, data }];
    if (data) return [name, { datatype, shape, data: typed(kind, data) }];
    const end = at + parameters.binary_data_size;
    const part = new kind(bytes.slice(at, end));
    at = end;
    return [name, { datatype, shape, data: part }];
  }));
}

function typed(kind, numbers) {
  return kind === BigInt64Array ? kind.from(numbers, BigInt) : kind.from(numbers);
}

/** Images `[height, width, channels]` as one tensor. */
export function stacked(images, shape) {
  const size = shape.reduce((a, b) => a * b);
  const data = new Float32Array(images.length * size);
  images.forEach((image, index) => data.set(image, index * size));
  return floats(data, [images.length, ...shape]);
}
