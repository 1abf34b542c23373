// The table.
const COLUMNS = [
  {
    label: "node",
    value: (r) => (r.group ? r.group.graph * 1e7 + r.group.nodes[0] : -1),
    text: (r) =>
      r.group
        ? `${data.graphs.length > 1 ? `${r.group.graph}: ` : ""}${spans(r.group.nodes)}`
        : "–",
  },
  { label: "operator", value: (r) => r.group?.label ?? "", text: (r) => r.group?.label ?? "input" },
  { label: "tensor", value: (r) => r.tensor?.name ?? "", text: (r) => r.tensor?.name ?? "–" },
  { label: "on", value: (r) => r.group?.owner ?? "", text: (r) => r.group?.owner ?? "" },
  { label: "verdict", value: (r) => r.tensor?.verdict ?? r.group?.verdict ?? "", pill: true },
  {
    label: "error",
    number: true,
    value: (r) => number(r.tensor?.error ?? r.group?.error),
    text: (r) => digits(r.tensor?.error ?? r.group?.error),
  },
  {
    label: "beyond",
    number: true,
    value: (r) => r.tensor?.share_beyond,
    text: (r) => percent(r.tensor?.share_beyond),
  },
  {
    label: "equal",
    number: true,
    value: (r) => r.tensor?.exact_rate,
    text: (r) => percent(r.tensor?.exact_rate),
  },
  {
    label: "max abs",
    number: true,
    value: (r) => number(r.tensor?.max_abs),
    text: (r) => digits(r.tensor?.max_abs),
  },
  {
    label: "mean abs",
    number: true,
    value: (r) => number(r.tensor?.mean_abs),
    text: (r) => digits(r.tensor?.mean_abs),
  },
  {
    label: "max ULP",
    number: true,
    value: (r) => number(r.tensor?.max_ulp),
    text: (r) => digits(r.tensor?.max_ulp),
  },
  {
    label: "cosine",
    number: true,
    value: (r) => number(r.tensor?.cosine),
    text: (r) => digits(r.tensor?.cosine),
  },
  {
    label: "SQNR dB",
    number: true,
    value: (r) => number(r.tensor?.sqnr),
    text: (r) => digits(r.tensor?.sqnr),
  },
  { label: "type", value: (r) => r.tensor?.dtype ?? "", text: (r) => r.tensor?.dtype ?? "" },
  {
    label: "shape",
    number: true,
    value: (r) => (r.tensor ? r.tensor.shape.reduce((a, b) => a * b, 1) : null),
    text: (r) => (r.tensor ? r.tensor.shape.join("×") || "scalar" : ""),
  },
];
const byError = COLUMNS.find((column) => column.label === "error");
const sorting = {
  column: data.ranking.length ? byError : COLUMNS[0],
  down: data.ranking.length > 0,
  shown: PAGE,
};

function visibleRows() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const differing = byId("differing").checked;
  const found = rows.filter(
    (row) =>
      words.every((word) => row.words.includes(word)) &&
      (!differing || (row.tensor?.verdict ?? row.group?.verdict) !== "ok"),
  );
  const { value, number: numeric } = sorting.column;
  const missing = (v) => v === null || v === undefined || Number.isNaN(v);
  return found.sort((a, b) => {
    const [v, w] = [value(a), value(b)];
    if (missing(v) || missing(w)) return missing(v) - missing(w) || a.order - b.order;
    const step = numeric || typeof v === "number" ? v - w || 0 : String(v).localeCompare(String(w));
    return (sorting.down ? -step : step) || a.order - b.order;
  });
}

function drawTable() {
  const found = visibleRows();
  byId("shown").textContent =
    found.length === rows.length ? `${rows.length} rows` : `${found.length} of ${rows.length} rows`;
  document
    .querySelector("#table tbody")
    .replaceChildren(...found.slice(0, sorting.shown).map(drawRow));
  byId("more").hidden = found.length <= sorting.shown;
  byId("more").textContent =
    `Show ${Math.min(4 * PAGE, found.length - sorting.shown)} more of ${found.length}`;
  document.querySelectorAll("#table th").forEach((th, i) => {
    if (COLUMNS[i] === sorting.column)
      th.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  });
}

// The table with the selected row, unless the filter hides it.
function drawTableTo(row) {
  const at = visibleRows().indexOf(row);
  if (at >= sorting.shown) sorting.shown = Math.ceil((at + 1) / PAGE) * PAGE;
  drawTable();
}

function drawRow(row) {
  const cells = COLUMNS.map((column, i) => {
    if (column.pill) return el("td", {}, pill(column.value(row)));
    const text = column.text(row);
    if (i === 0 && row.group) {
      return el(
        "td",
        {},
        el(
          "button",
          {
            type: "button",
            class: "link",
            title: "show in the graph",
            onclick: (event) => {
              event.stopPropagation();
              select(row.group, row, "link");
            },
          },
          text,
        ),
      );
    }
    return el(
      "td",
      { class: column.number ? "number" : "text", title: column.number ? null : text },
      name(text),
    );
  });
  row.element = el(
    "tr",
    {
      onclick: () => select(row.group, row, "table"),
      class: row === state.row ? "selected" : null,
    },
    ...cells,
  );
  return row.element;
}

function prepareTable() {
  document.querySelector("#table thead").append(
    el(
      "tr",
      {},
      ...COLUMNS.map((column) =>
        el(
          "th",
          { scope: "col", class: column.number ? "number" : null },
          el(
            "button",
            {
              type: "button",
              onclick: () => {
                sorting.down = sorting.column === column ? !sorting.down : Boolean(column.number);
                sorting.column = column;
                drawTable();
              },
            },
            column.label,
          ),
        ),
      ),
    ),
  );
  byId("filter").addEventListener("input", drawTable);
  byId("differing").addEventListener("change", drawTable);
  byId("more").addEventListener("click", () => {
    sorting.shown += 4 * PAGE;
    drawTable();
  });
}
