"use strict";
// What the pages can do beyond being read: sort and filter tables, say the values of a picture,
// choose curves, search, choose light or dark.

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

// Curves say what they are at the step that the pointer or the arrow keys choose.
function makeReadable(drawing) {
  const svg = drawing.querySelector("svg.curves");
  const lines = svg.querySelector(".lines");
  const steps = svg.dataset.steps.split("|");
  const items = [...drawing.querySelectorAll(".series li")];
  const curves = [...lines.querySelectorAll("[data-readings]")].map((line, position) => ({
    line,
    item: items[position],
    readings: line.dataset.readings.split("|"),
    points: line.getAttribute("points").split(" ").map((point) => point.split(",").map(Number)),
  }));
  const places = curves.reduce((a, b) => (b.points.length > a.points.length ? b : a)).points;
  const make = (tag, className) => {
    const element = document.createElementNS(svg.namespaceURI, tag);
    element.setAttribute("class", className);
    return element;
  };
  const rule = make("line", "at");
  let step = Number(svg.dataset.said);
  let marked = false; // not before the reader has chosen a step

  function show() {
    const [x] = places[step];
    drawing.querySelector(".step").textContent = steps[step];
    lines.querySelectorAll("circle").forEach((circle) => circle.remove());
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", 10], ["y2", 174]]) rule.setAttribute(name, value);
    if (marked) lines.prepend(rule);
    for (const { line, item, readings, points } of curves) {
      const look = line.getAttribute("class");
      item.querySelector(".value").textContent = readings[step] ?? "\u2013";
      if (!marked || look === "other" || !points[step]) continue;
      const circle = make("circle", look);
      for (const [name, value] of [["cx", points[step][0]], ["cy", points[step][1]], ["r", 3]]) circle.setAttribute(name, value);
      lines.append(circle);
    }
    const said = curves.filter(({ line }) => line.getAttribute("class") !== "other")
      .map(({ item, readings }) => `${item.querySelector(".name").textContent} ${readings[step] ?? "\u2013"}`);
    svg.setAttribute("aria-valuenow", step + 1);
    svg.setAttribute("aria-valuetext", [steps[step], ...said].join(", "));
  }

  function choose(to) {
    step = Math.min(Math.max(to, 0), steps.length - 1);
    marked = true;
    show();
  }

  svg.setAttribute("role", "slider");
  svg.setAttribute("tabindex", 0);
  svg.setAttribute("aria-valuemin", 1);
  svg.setAttribute("aria-valuemax", steps.length);
  const point = ({ clientX, clientY }) => {
    const { x } = new DOMPoint(clientX, clientY).matrixTransform(svg.getScreenCTM().inverse());
    const distances = places.map(([place]) => Math.abs(place - x));
    choose(distances.indexOf(Math.min(...distances)));
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("focus", () => choose(step));
  svg.addEventListener("keydown", (event) => {
    const page = Math.max(2, Math.round(steps.length / 10));
    const to = {
      ArrowLeft: step - 1, ArrowDown: step - 1, ArrowRight: step + 1, ArrowUp: step + 1,
      PageDown: step - page, PageUp: step + page, Home: 0, End: steps.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  });
  if (drawing.classList.contains("toggles")) curves.forEach((curve) => makeToggle(curve, curves, show));
  show();
}

// A button that takes a curve out of the grey, with the first look that no other has, and back.
function makeToggle({ line, item }, curves, show) {
  const looks = [...Array(8).keys()].map((number) => `look${number}`);
  const button = create("button", { type: "button" }, ...item.querySelectorAll(".swatch, .name"));
  const look = (className) => {
    line.setAttribute("class", className);
    item.className = className;
    button.setAttribute("aria-pressed", className !== "other");
    if (className !== "other") line.parentElement.append(line); // above those in grey
  };
  button.addEventListener("click", () => {
    const taken = curves.map((curve) => curve.line.getAttribute("class"));
    const count = (name) => taken.filter((other) => other === name).length;
    const free = looks.reduce((a, b) => (count(b) < count(a) ? b : a));
    look(item.className === "other" ? free : "other");
    show();
  });
  look(item.className);
  item.prepend(button);
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
document.querySelectorAll(".drawing").forEach(makeReadable);
document.querySelectorAll(".scroll, .picture, .formulas, pre").forEach(markScrollable);
const tools = document.querySelector(".tools");
addSearch(tools);
addThemeButton(tools);
