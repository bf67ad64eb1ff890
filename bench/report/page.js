"use strict";
// Everything is on the page before this runs: it only hides, sorts and marks, as the address's hash says.
(() => {
  const form = document.getElementById("controls");
  const choices = [...form.querySelectorAll("select")];
  const filters = ["device", "dtype", "workload", "operation", "scale"];
  const sorts = new Map(); // table id -> [column, descending]

  // The words of an option stand in the hash, not its value: a link is to be read, and to outlive a renumbering.
  const chosen = (select) => select.selectedOptions[0].textContent;

  function read() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const select of choices) {
      const options = [...select.options].filter((option) => option.textContent === wanted.get(select.name));
      (options[0] ?? select.options[0]).selected = true;
    }
    const unsorted = new Set(sorts.keys());
    for (const [id, column, down] of (wanted.get("sort") ?? "").split(",").map((text) => text.split("."))) {
      const header = /^t\d+$/.test(id) && document.querySelectorAll(`#${id}.sortable thead th`)[Number(column)];
      if (!header) continue;
      sorts.set(id, [Number(column), down === "down"]);
      unsorted.delete(id);
    }
    unsorted.forEach((id) => sorts.set(id, null));
    return wanted.get("at") ?? (location.hash.includes("=") ? null : location.hash.slice(1));
  }

  function write(at) {
    const words = new URLSearchParams();
    if (at) words.set("at", at);
    for (const select of choices) if (select.selectedIndex > 0) words.set(select.name, chosen(select));
    const sorted = [...sorts].filter(([, how]) => how).map(([id, [column, down]]) => `${id}.${column}.${down ? "down" : "up"}`);
    if (sorted.length) words.set("sort", sorted.join(","));
    history.replaceState(null, "", `#${words}`);
  }

  function show() {
    const now = Object.fromEntries(choices.map((select) => [select.name, select.value]));
    for (const part of document.querySelectorAll(filters.map((what) => `[data-${what}]`).join())) {
      part.hidden = filters.some((what) => now[what] && now[what] !== "all" && part.dataset[what] && part.dataset[what] !== now[what]);
    }
    for (const none of document.querySelectorAll(".none")) {
      none.hidden = [...none.parentElement.querySelectorAll(":scope > .block")].some((block) => !block.hidden);
    }
    const lit = now.highlight;
    document.documentElement.classList.toggle("highlighting", lit !== "none");
    for (const part of document.querySelectorAll("[data-entrant]")) {
      part.classList.toggle("lit", part.dataset.entrant === lit);
      part.querySelector(":scope > button")?.setAttribute("aria-pressed", part.dataset.entrant === lit);
    }
    sorts.forEach(sort);
  }

  function sort(how, id) {
    const table = document.getElementById(id);
    const body = table.tBodies[0];
    const [column, down] = how ?? [null, false];
    const value = (row) => Number(row.cells[column].dataset.value ?? NaN);
    const text = (row) => row.cells[column].textContent;
    const compare = (a, b) => {
      if (column === null) return a.dataset.row - b.dataset.row;
      const [x, y] = [value(a), value(b)];
      // A cell without a number is last, whichever way the numbers go.
      if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
      const order = Number.isNaN(x) ? text(a).localeCompare(text(b)) : x - y;
      return down ? -order : order;
    };
    body.append(...[...body.rows].sort(compare));
    [...table.tHead.rows[0].cells].forEach((header, i) => {
      if (i === column) header.setAttribute("aria-sort", down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    });
    if (!how) sorts.delete(id);
  }

  function button(place, pressed) {
    const made = document.createElement("button");
    made.type = "button";
    made.append(...place.childNodes);
    place.append(made);
    made.addEventListener("click", pressed);
    return made;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tBodies[0].rows].forEach((row, i) => { row.dataset.row = i; });
    [...table.tHead.rows[0].cells].forEach((header, column) => button(header, () => {
      const before = sorts.get(table.id);
      sorts.set(table.id, [column, before?.[0] === column && !before[1]]);
      changed();
    }));
  }
  for (const key of document.querySelectorAll(".legend [data-entrant]")) {
    button(key, () => {
      const select = form.elements.highlight;
      select.value = select.value === key.dataset.entrant ? "none" : key.dataset.entrant;
      changed();
    });
  }

  // A link without a script gives the file as it lies here, compressed; with one, the file itself.
  for (const link of document.querySelectorAll("a[data-file]")) {
    if (!("DecompressionStream" in window)) break;
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const packed = Uint8Array.from(atob(link.href.split(",")[1]), (c) => c.charCodeAt(0));
      const whole = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
      const saved = document.createElement("a");
      saved.download = link.dataset.file;
      saved.href = URL.createObjectURL(whole);
      saved.click();
      setTimeout(() => URL.revokeObjectURL(saved.href), 60000);
    });
  }

  function changed() { write(null); show(); }
  function arrived() {
    const at = read();
    show();
    if (!at) return;
    write(at);
    // A part stays where it was scrolled to only once those above it have their heights.
    document.documentElement.classList.add("whole");
    document.getElementById(at)?.scrollIntoView();
  }
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("button").addEventListener("click", () => {
    choices.forEach((select) => { select.selectedIndex = 0; });
    sorts.forEach((_, id) => sorts.set(id, null));
    changed();
  });
  addEventListener("hashchange", arrived);
  form.hidden = false;
  arrived();
})();
