// Plots.
const power = (k) => ({ "-1": "0.1", 0: "1", 1: "10" })[k] ?? `1e${k}`.replace("-", "−");

function drawHistogram() {
  const place = byId("histogram");
  const tensor = state.row?.tensor;
  if (!tensor) {
    place.replaceChildren(el("p", { class: "hint" }, "No tensor was compared here."));
    return;
  }
  const { counts, zero, nonfinite, low, per_decade: per } = tensor.histogram;
  const used = counts.map((count, i) => (count ? i : -1)).filter((i) => i >= 0);
  const first = used.length ? Math.floor(used[0] / per) * per : 0;
  const last = used.length ? Math.ceil((used[used.length - 1] + 1) / per) * per : 0;
  const [width, height, bottom, top, apart] = [place.clientWidth || 340, 190, 24, 20, 34];
  const most = Math.max(...counts, zero, nonfinite, 1);
  const tall = (count) =>
    count ? Math.max(((height - bottom - top) * Math.log1p(count)) / Math.log1p(most), 2) : 0;
  const parts = [];
  const bar = (kind, x, size, count, what) =>
    parts.push(
      svg(
        "rect",
        {
          class: `column ${kind}`,
          x: x + 1,
          y: height - bottom - tall(count),
          width: Math.max(size - 2, 1),
          height: tall(count),
        },
        svg("title", {}, `${whole(count)} ${what}`),
      ),
    );
  const label = (x, text) =>
    parts.push(svg("text", { x, y: height - 8, "text-anchor": "middle" }, text));
  const left = apart + 14;
  const right = width - (nonfinite ? apart + 14 : 0);
  const step = (right - left) / Math.max(last - first, 1);
  const every = Math.ceil(44 / (step * per)) * per;
  bar("apart", 0, apart, zero, "equal");
  label(apart / 2, "equal");
  for (let i = first; i < last; i += 1) {
    const from = low + i / per;
    bar(
      "",
      left + (i - first) * step,
      step,
      counts[i],
      `from ${digits(10 ** from)} to ${digits(10 ** (from + 1 / per))}`,
    );
    if ((i - first) % every === 0 && (last - i) * step > 20)
      label(left + (i - first) * step + (i === first ? 8 : 0), power(from));
  }
  if (nonfinite) {
    bar("bad", width - apart, apart, nonfinite, "NaN or infinite on one side");
    label(width - apart / 2, "NaN ∞");
  }
  place.replaceChildren(
    svg(
      "svg",
      {
        height,
        viewBox: `0 0 ${width} ${height}`,
        role: "img",
        "aria-label": "histogram of absolute errors",
      },
      svg("line", { class: "axis", x1: 0, x2: width, y1: height - bottom, y2: height - bottom }),
      svg(
        "text",
        { x: width, y: 11, "text-anchor": "end" },
        `up to ${whole(most)} elements, log scale`,
      ),
      ...parts,
    ),
  );
}

function drawDepth() {
  const place = byId("depth-plot");
  const points = rows.filter((row) => row.tensor && row.tensor.node !== null);
  if (!points.length) {
    place.replaceChildren(el("p", { class: "hint" }, "No tensor was compared."));
    return;
  }
  const errors = points.map((row) => number(row.tensor.error));
  if (errors.every((error) => error === 0)) {
    place.replaceChildren(
      el("p", { class: "hint" }, "All elements of all tensors that were compared are equal."),
    );
    return;
  }
  const limits = points.map((row) => row.tensor.tolerance.of_largest);
  const finite = [...errors, ...limits].filter((x) => x > 0 && Number.isFinite(x)).map(Math.log10);
  const low = Math.floor(Math.min(...finite, 0) - 0.01);
  const high = Math.max(Math.ceil(Math.max(...finite, low + 1)), low + 1);
  const [width, height, left, right, top, bottom] = [place.clientWidth || 700, 280, 50, 14, 14, 42];
  const lane = 30;
  const endless = errors.some((x) => !Number.isFinite(x));
  const roof = top + (endless ? lane : 0);
  const floor = height - bottom - lane;
  const x = (i) => left + ((i + 0.5) * (width - left - right)) / points.length;
  const y = (error) => {
    if (error === 0) return floor + lane - 8;
    if (!Number.isFinite(error)) return top + lane / 2 - 4;
    return floor - ((Math.log10(error) - low) / (high - low)) * (floor - roof);
  };
  const every = Math.ceil((high - low) / Math.max((floor - roof) / 30, 1));
  const marks = [];
  const mark = (at, text) =>
    marks.push(
      svg("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }),
      svg("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, text),
    );
  for (let k = low; k <= high; k += every) mark(y(10 ** k), power(k));
  mark(y(0), "0");
  if (endless) mark(y(Infinity), "∞");
  let limit = "";
  limits.forEach((value, i) => {
    if (!(value > 0)) return;
    if (value !== limits[i - 1]) limit += `M${x(i - 0.5)} ${y(value)}`;
    limit += `H${x(i + 0.5)}`;
  });
  const size = points.length > 600 ? 2.4 : points.length > 150 ? 3.2 : 4.2;
  const circles = points.map((row, i) => {
    const bad = { wrong: "bad", failed: "failed" }[row.tensor.verdict] ?? "";
    const where = row.group ? `node ${spans(row.group.nodes)} ${row.group.label}, ` : "";
    const label = `${where}${row.tensor.name}: ${digits(row.tensor.error)}`;
    row.point = svg(
      "circle",
      {
        class: `point ${bad}`,
        cx: x(i),
        cy: y(errors[i]),
        r: bad ? size + 1 : size,
        onclick: () => select(row.group, row, "plot"),
      },
      svg("title", {}, label),
    );
    return row.point;
  });
  const count = Math.min(points.length, Math.max(2, Math.floor(width / 90)));
  for (let k = 0; k < count; k += 1) {
    const i = Math.round((k * (points.length - 1)) / Math.max(count - 1, 1));
    marks.push(
      svg(
        "text",
        { x: x(i), y: height - 22, "text-anchor": "middle" },
        String(points[i].tensor.node),
      ),
    );
  }
  place.replaceChildren(
    svg(
      "svg",
      { height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "error by depth" },
      ...marks,
      svg(
        "text",
        { x: left, y: height - 4 },
        `node, in the order of running${limit ? "; dashed: tolerance" : ""}`,
      ),
      limit ? svg("path", { class: "limit", d: limit }) : null,
      ...circles,
    ),
  );
  state.row?.point?.classList.add("selected");
}
