// Tables are sorted by a click on a header: numbers by their value, and what has none comes last.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.append(...header.childNodes); header.append(button);
    const key = (row) => parseFloat(row.cells[column].dataset.key ?? "NaN"), text = (row) => row.cells[column].textContent;
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => {
        if (Number.isNaN(key(a)) !== Number.isNaN(key(b))) return Number.isNaN(key(a)) ? 1 : -1;
        const order = Number.isNaN(key(a)) ? text(a).localeCompare(text(b)) : key(a) - key(b);
        return down ? -order : order;
      }));
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
    });
  });
}
