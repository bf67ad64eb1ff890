// Tables are sorted by a click on a header: numbers by their value, and what has none comes last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(column));
  });

  function sort(column) {
    const down = headers[column].getAttribute("aria-sort") === "ascending";
    const number = (row) => parseFloat(row.cells[column].dataset.key ?? "NaN");
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [number(a), number(b)];
      if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
      const order = Number.isNaN(x) ? a.cells[column].textContent.localeCompare(b.cells[column].textContent) : x - y;
      return down ? -order : order;
    });
    body.append(...rows);
    headers.forEach((header) => header.removeAttribute("aria-sort"));
    headers[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  }
}
