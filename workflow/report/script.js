"use strict";
// What the pages can do beyond being read: sort and filter tables, say the values of a picture,
// search, choose light or dark.

const create = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// Tables sort by a click on a heading: names from a to z first, numbers from high to low.
// Cells without a number come last either way.
function makeSortable(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  if (body.rows.length < 3) return;
  const isNumber = (key) => key !== "" && !Number.isNaN(Number(key));
  headings.forEach((heading, column) => {
    if ("fixed" in heading.dataset) return;
    const button = create("button", { type: "button" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const current = heading.getAttribute("aria-sort");
      const rows = [...body.rows].map((row) => ({ row, key: row.cells[column].dataset.key }));
      const numeric = rows.some(({ key }) => isNumber(key)) && column > 0;
      const descending = current === null ? numeric : current === "ascending";
      const sign = descending ? -1 : 1;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      rows.sort((a, b) => {
        if (!numeric) return a.key.localeCompare(b.key) * sign;
        if (!isNumber(a.key) || !isNumber(b.key)) return isNumber(b.key) - isNumber(a.key);
        return (a.key - b.key) * sign;
      });
      body.append(...rows.map(({ row }) => row));
    });
  });
}

function makeFilterable(table) {
  const rows = [...table.tBodies[0].rows];
  const region = table.closest(".scroll");
  if (rows.length < 12 || !region || region.classList.contains("settings")) return;
  const name = region.getAttribute("aria-label");
  const box = create("input", { type: "search", placeholder: "Filter rows" });
  box.setAttribute("aria-label", `Filter the rows of ${name}`);
  const count = create("output");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    const shown = rows.filter((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      return !row.hidden;
    });
    count.textContent = box.value ? `${shown.length} of ${rows.length} rows` : "";
  });
  region.before(create("div", { className: "filter" }, box, count));
}

// The picture of the gap: only the methods of a paper's table, or of a family.
function makeChoosable(table) {
  const rows = [...table.tBodies[0].rows];
  const count = create("output");
  const menu = (label, all, titles) => {
    const choices = Object.entries(titles).map(([value, text]) => create("option", { value }, text));
    const select = create("select", {}, create("option", { value: "" }, all), ...choices);
    select.addEventListener("change", update);
    return [create("label", {}, `${label} `, select), select];
  };
  const [ofPaper, papers] = menu("Compared by", "both papers", JSON.parse(table.dataset.papers));
  const [ofFamily, families] = menu("Methods", "all", JSON.parse(table.dataset.families));
  function update() {
    const [paper, family] = [papers.value, families.value];
    const shown = rows.filter((row) => {
      row.hidden = (paper && !row.dataset.papers.split(" ").includes(paper))
        || (family && row.dataset.family !== family);
      return !row.hidden;
    });
    count.textContent = paper || family ? `${shown.length} of ${rows.length} methods` : "";
  }
  const menus = [...(papers.length > 2 ? [ofPaper] : []), ...(families.length > 2 ? [ofFamily] : [])];
  table.before(create("div", { className: "choose" }, ...menus, count));
}

// Values of a picture, at the pointer or at what has the focus.
function addTips() {
  const tip = create("div", { id: "tip", hidden: true });
  tip.setAttribute("role", "status");
  document.body.append(tip);
  const show = (event) => {
    const owner = event.target.closest?.("[data-tip]");
    tip.hidden = !owner;
    if (!owner) return;
    tip.textContent = owner.dataset.tip;
    const box = owner.getBoundingClientRect();
    const x = owner.tagName === "svg" ? event.clientX : box.left + box.width / 2;
    const left = Math.min(Math.max(8, x - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 0 ? above : box.bottom + 8}px`;
  };
  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("focusout", () => { tip.hidden = true; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
}

// Where a table or picture is wider than its place, its edge and a line of text say so.
function markScrollable(region) {
  const hint = create("p", { className: "hint" }, "Scroll sideways to see all \u2194");
  region.after(hint);
  const update = () => {
    const more = region.scrollWidth > region.clientWidth + 1;
    hint.hidden = !more;
    region.classList.toggle("more", more);
    region.classList.toggle("moved", region.scrollLeft > 2);
  };
  region.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(region);
}

function addSearch(tools) {
  const root = document.body.dataset.root;
  const box = create("input", { type: "search", placeholder: "Search", id: "search" });
  box.setAttribute("aria-label", "Search pages, methods, tables and figures");
  const found = create("ul", { id: "found", hidden: true });
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rank = ({ title }) => (words.every((word) => title.toLowerCase().includes(word)) ? 0 : 1);
    const matches = window.searchIndex
      .filter(({ kind, title, text }) => {
        const all = `${kind} ${title} ${text}`.toLowerCase();
        return words.every((word) => all.includes(word));
      })
      .sort((a, b) => rank(a) - rank(b))
      .slice(0, 12);
    const items = matches.map(({ kind, title, address }) =>
      create("li", {}, create("a", { href: root + address }, title, create("small", {}, kind))),
    );
    found.replaceChildren(...(items.length ? items : [create("li", {}, "Nothing found")]));
    found.hidden = !words.length;
  });
  const close = () => { found.hidden = true; };
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter") found.querySelector("a")?.click();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".search")) close();
  });
  found.addEventListener("click", close);
  tools.append(create("div", { className: "search" }, box, found));
}

function addThemeButton(tools) {
  const themes = ["auto", "light", "dark"];
  const button = create("button", { type: "button", id: "theme" });
  const show = () => {
    const theme = document.documentElement.dataset.theme || "auto";
    button.textContent = `Theme: ${theme}`;
    return theme;
  };
  button.addEventListener("click", () => {
    const theme = themes[(themes.indexOf(show()) + 1) % themes.length];
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("theme", theme); } catch { /* a reader who stores nothing */ }
    show();
  });
  show();
  tools.append(button);
}

document.querySelectorAll("table").forEach(makeSortable);
document.querySelectorAll("table").forEach(makeFilterable);
document.querySelectorAll("table.gap").forEach(makeChoosable);
if (document.querySelector("[data-tip]")) addTips();
document.querySelectorAll(".scroll, .picture, pre").forEach(markScrollable);
const tools = document.querySelector(".tools");
addSearch(tools);
addThemeButton(tools);
