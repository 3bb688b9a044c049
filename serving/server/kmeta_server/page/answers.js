/** Answers as the page shows them, and as a CSV. */

import { element, shown } from "./dom.js";

const MOST_SHOWN = 5; // classes of one picture
const SEPARATING = /[",\r\n]/;

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** An element of the list of answers. */
export function card({ file, thumb, answer }, names, unknown) {
  const best = answer.probabilities.map((share, index) => ({ share, name: names[index] }))
    .sort((a, b) => b.share - a.share).slice(0, MOST_SHOWN);
  const rows = best.flatMap(({ share, name }) => [
    element("span", {}, name),
    element("meter", { value: share, "aria-label": name }),
    element("span", {}, percent(share)),
  ]);
  const isUnknown = answer.label === unknown;
  return element("li", {},
    element("div", { className: "answer" },
      shown(thumb, "picture"),
      element("div", {},
        element("p", { className: isUnknown ? "label unknown" : "label" }, answer.label),
        element("p", { className: "file" }, `${file}, score ${percent(answer.score)}`),
        element("div", { className: "scores" }, ...rows),
        element("div", { className: "near" }))));
}

/** Put the pictures most like one, see nearest.js, into its element of the list. */
export function showNearest(shownCard, nearest) {
  shownCard.querySelector(".near").replaceChildren(
    element("p", { className: "file" }, "Most like"),
    element("ul", {}, ...nearest.map(({ thumb, file, name, cosine }) => element("li", {},
      shown(thumb, "picture", file),
      element("span", { className: "file" }, name),
      element("span", { className: "file" }, cosine.toFixed(2))))));
}

/** The text of a CSV file, as `kmeta predict BUNDLE FOLDER` writes it. */
export function csv(items, names) {
  const rows = items.map(({ file, answer }) => [
    file, answer.label, answer.score.toFixed(4), ...answer.probabilities.map((x) => x.toFixed(4))]);
  return [["file", "label", "score", ...names], ...rows]
    .map((row) => `${row.map(field).join(",")}\n`).join("");
}

function field(text) {
  return SEPARATING.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
