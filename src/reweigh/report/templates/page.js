// Sort a table by a click on its header, and filter cards by a word. The page is whole without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const keyed = [...body.rows].map((row) => [row.cells[column].dataset.value ?? row.cells[column].textContent, row]);
      const numeric = keyed.every(([key]) => !isNaN(key));
      keyed.sort(([x], [y]) => {
        if (x === "" || y === "") return (x === "") - (y === ""); // what is not known comes last, whichever way
        const order = numeric ? x - y : x.localeCompare(y);
        return up ? order : -order;
      });
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
for (const input of document.querySelectorAll("input[data-filter]")) {
  const box = input.closest(".filter");
  const items = [...document.querySelectorAll(input.dataset.filter)];
  const texts = items.map((item) => [item.textContent, ...[...item.querySelectorAll("[title]")].map((one) => one.title)].join(" ").toLowerCase());
  box.hidden = false;
  input.addEventListener("input", () => {
    const word = input.value.trim().toLowerCase();
    items.forEach((item, place) => { item.hidden = !texts[place].includes(word); });
    const left = items.filter((item) => !item.hidden).length;
    box.querySelector("output").textContent = word === "" ? "" : left === 0 ? "Nothing matches." : `${left} of ${items.length} classes`;
  });
}
