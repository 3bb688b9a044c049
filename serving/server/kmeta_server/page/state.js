/** What is known of the classes: tensors that grow by rows, as in kmeta_edge/state.py.
 *
 * Either each row is a class, or each row is a support item, and `labels` says of which class.
 */

/** The rows of a tensor for which `keep(row)` holds. */
function filtered({ datatype, shape, data }, keep) {
  const rows = [...Array(shape[0]).keys()].filter(keep), size = data.length / (shape[0] || 1);
  const kept = new data.constructor(rows.length * size);
  rows.forEach((row, at) => kept.set(data.subarray(row * size, (row + 1) * size), at * size));
  return { datatype, shape: [rows.length, ...shape.slice(1)], data: kept };
}

function mapped(state, change) {
  return Object.fromEntries(Object.entries(state).map(([name, rows]) => [name, change(rows, name)]));
}

/** Whether each row is a picture, so that a class can get more of them. */
export const hasItems = (state) => "labels" in state;

/** The state without class `index`; the classes after it move up. */
export function without(state, index) {
  if (!hasItems(state)) return mapped(state, (rows) => filtered(rows, (row) => row !== index));
  const gone = BigInt(index), owner = state.labels.data;
  const kept = mapped(state, (rows) => filtered(rows, (row) => owner[row] !== gone));
  kept.labels.data = kept.labels.data.map((label) => (label > gone ? label - 1n : label));
  return kept;
}

/** The state without one row. */
export const withoutRow = (state, index) => mapped(state, (rows) => filtered(rows, (row) => row !== index));

/** The state with the rows of `added`, the state of one class alone, which becomes class `index`. */
export function joined(state, added, index) {
  return mapped(state, ({ datatype, shape, data }, name) => {
    const more = added[name], all = new data.constructor(data.length + more.data.length);
    all.set(data);
    all.set(name === "labels" ? more.data.map(() => BigInt(index)) : more.data, data.length);
    return { datatype, shape: [shape[0] + more.shape[0], ...shape.slice(1)], data: all };
  });
}
