// Sort a table by a click on its header, filter cards by a word, and sort and filter the gallery. The page is whole without it.
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
for (const tools of document.querySelectorAll(".tools")) {
  const gallery = document.getElementById(tools.dataset.gallery);
  const more = gallery.nextElementSibling;
  const page = 48; // images at once
  const images = [...gallery.children];
  const texts = new Map(images.map((image) => [image, [image.textContent, ...[...image.querySelectorAll("[title]")].map((one) => one.title)].join(" ").toLowerCase()]));
  const selects = [...tools.querySelectorAll("select[data-by]")];
  const sort = tools.querySelector("select[data-sort]");
  const word = tools.querySelector("input[data-word]");
  let most = page;
  for (const select of selects.filter((one) => one.options.length === 1)) {
    const counts = new Map();
    for (const image of images) counts.set(image.dataset[select.dataset.by], (counts.get(image.dataset[select.dataset.by]) ?? 0) + 1);
    counts.delete("");
    select.append(...[...counts].sort(([x], [y]) => x.localeCompare(y)).map(([name, n]) => new Option(`${name} (${n})`, name)));
    select.parentElement.hidden = counts.size < 2;
  }
  const keys = { order: (image) => +image.dataset.order, right: (image) => (image.dataset.right === "" ? 2 : +image.dataset.right), given: (image) => image.dataset.given };
  const draw = () => {
    const text = word.value.trim().toLowerCase();
    const has = (image, select) => select.value === "" || (select.dataset.by === "verdict" ? image.dataset.verdict.split(" ").includes(select.value) : image.dataset[select.dataset.by] === select.value);
    const left = images.filter((image) => texts.get(image).includes(text) && selects.every((select) => has(image, select)));
    const kept = new Set(left.slice(0, most));
    images.forEach((image) => { image.hidden = !kept.has(image); });
    more.hidden = left.length <= most;
    tools.querySelector("output").textContent = left.length === images.length ? "" : left.length === 0 ? "Nothing matches." : `${left.length} of ${images.length} images`;
  };
  const reorder = () => {
    const key = keys[sort.value];
    images.sort((x, y) => (sort.value === "given" ? key(x).localeCompare(key(y)) : key(x) - key(y)) || x.dataset.order - y.dataset.order);
    gallery.append(...images);
  };
  const again = () => { most = page; draw(); };
  selects.forEach((select) => select.addEventListener("change", again));
  word.addEventListener("input", again);
  sort.addEventListener("change", () => { reorder(); again(); });
  more.querySelector("button").addEventListener("click", () => { most += page; draw(); });
  tools.hidden = false;
  draw();
}
