// Rows of tables that change every second: those that stay keep their elements, and so the focus.

/** Makes an element with text, or with elements in it. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  const { dataset, ...rest } = properties;
  Object.assign(element, rest);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

/** Shows items as the rows of a table: each has a key and cells, of which `classes` has the classes. A cell is text, or has a function that makes it. */
export function fill(table, items, classes = []) {
  const body = table.tBodies[0];
  const focused = document.activeElement;
  const before = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  items.forEach(({ key, cells }, at) => {
    let row = before.get(key);
    before.delete(key);
    if (!row) {
      row = make("tr", { dataset: { key } }, ...cells.map((_, i) => make("td", { className: classes[i] ?? "" })));
    }
    cells.forEach((cell, i) => {
      const { text, title = text, content } = typeof cell === "object" ? cell : { text: String(cell) };
      const td = row.cells[i];
      if (td.dataset.text === text) return;
      td.dataset.text = text;
      td.title = title;
      td.replaceChildren(...(content ? content() : [text]));
    });
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
  });
  for (const row of before.values()) row.remove();
  if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true }); // its row has moved
}
