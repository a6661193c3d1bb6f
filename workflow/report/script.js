"use strict";
// Tables that sort by a click on a heading: names from a to z first, numbers from high to low.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const compare = (first, second) => {
    const difference = Number(first) - Number(second);
    return Number.isNaN(difference) ? first.localeCompare(second) : difference;
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const current = heading.getAttribute("aria-sort");
      const descending = current === null ? column > 0 : current === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => ({ row, key: row.cells[column].dataset.key }));
      rows.sort((a, b) => compare(a.key, b.key) * (descending ? -1 : 1));
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
