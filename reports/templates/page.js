"use strict";
// A click on a column title sorts the table; a second click reverses the order.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const status = document.getElementById("sorted");
  heads.forEach((head, at) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (row) => row.cells[at].dataset.sort;
      const numeric = head.dataset.numeric === "yes";
      const compare = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en"));
      const rows = [...table.tBodies[0].rows].sort((one, two) => {
        const [a, b] = [key(one), key(two)];
        if (a === "" || b === "") return (a === "") - (b === ""); // rows without a value stay last
        return descending ? compare(b, a) : compare(a, b);
      });
      table.tBodies[0].append(...rows);
      status.textContent = `Sorted by ${head.innerText.trim()}, ${descending ? "descending" : "ascending"}`;
    });
  });
}
