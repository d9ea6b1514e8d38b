"use strict";
{
const $ = (id) => document.getElementById(id);
const table = $("overview"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];

// Sorting. `data-v` holds a number with all its digits; cells without one are compared as text, empty ones come last.
const key = (cell) => cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
const sort = (column, falling) => {
  const numeric = body.rows.length > 0 && body.rows[0].cells[column].dataset.v !== undefined;
  const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
  const compare = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b, undefined, {numeric: true});
  rows.sort(([a], [b]) => a === "" || b === "" ? (a === "") - (b === "") : (falling ? -1 : 1) * compare(a, b));
  body.append(...rows.map(([, row]) => row));
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
};
heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () =>
  sort(column, head.getAttribute("aria-sort") === "ascending")));

$("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  const left = [...body.rows].filter((row) => !row.hidden).length;
  $("left").textContent = wanted ? `${left} of ${body.rows.length} layers` : "";  // a status, which screen readers speak
});

// Two sides: the first survey and the one at the slider. Without scripts all surveys are shown.
const FIRST = 2;  // of the four columns to fill: both sides, change, z
const data = $("sides-data");
if (data) {
  const {names, measures, layers} = JSON.parse(data.textContent), slider = $("slider"), chosen = $("measure");
  const show = () => {
    const side = Number(slider.value), measure = Number(chosen.value);
    slider.setAttribute("aria-valuetext", names[side]);
    $("side").textContent = names[side];
    for (const part of document.querySelectorAll("[data-side]"))
      part.toggleAttribute("hidden", part.dataset.side !== "0" && Number(part.dataset.side) !== side);
    heads.slice(FIRST, FIRST + 4).forEach((head, i) =>
      { head.querySelector("button").textContent = [names[0], names[side], "change", `z, ${names[side]}`][i]; });
    $("caption").textContent = `${measures[measure]}: ${names[0]}, ${names[side]}, and the change from the first to the second.`;
    for (const row of body.rows) {
      const cells = layers[row.dataset.row], first = cells[0] && cells[0][measure], other = cells[side] && cells[side][measure];
      const put = (i, text, value) => {
        const cell = row.cells[FIRST + i];
        cell.textContent = text; cell.dataset.v = value ?? "";
      };
      // Each cell: value, text, change from the first survey as value and text, z as value and text, whether it is far.
      put(0, first ? first[1] : "-", first?.[0]);
      put(1, other ? other[1] : "-", other?.[0]);
      put(2, other ? other[3] : "", other?.[2]);
      put(3, other ? other[5] : "", other?.[4]);
      row.cells[FIRST + 3].classList.toggle("far", Boolean(other && other[6]));
    }
    const column = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    sort(column, heads[column].getAttribute("aria-sort") === "descending");
  };
  slider.addEventListener("input", show);
  chosen.addEventListener("change", show);
  slider.closest("form").hidden = false;
  show();
}

// A link to a layer opens it.
const open = () => {
  const target = location.hash && $(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); target.firstElementChild.focus(); }
};
addEventListener("hashchange", open);
open();
}
