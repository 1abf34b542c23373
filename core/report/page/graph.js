// The graph.
const state = { graph: 0, view: "all", zoom: 1, group: null, row: null, boxes: new Map() };
const scroller = byId("scroller");
const drawing = byId("drawing");
const strip = byId("strip");
const current = () => data.graphs[state.graph].drawings[state.view];
const worstOf = (box) =>
  box.groups
    .map((g) => groups[g])
    .reduce((a, b) => {
      const step = (badness[b.verdict] ?? 0) - (badness[a.verdict] ?? 0);
      return step > 0 || (step === 0 && (b.error ?? -1) > (a.error ?? -1)) ? b : a;
    }, groups[box.groups[0]]);
const tintOf = (box) => {
  const group = groups[box.groups[0]];
  return group && group.partition !== null ? group.partition % 4 : null;
};

function drawGraph() {
  const found = current();
  const pad = 26;
  state.boxes = new Map();
  state.size = { width: found.width + 2 * pad, height: found.height + 2 * pad };
  const halos = svg("g", { class: "halos" });
  const lines = svg("g");
  const boxes = svg("g");
  const owner = (box) => (box.groups.length ? groups[box.groups[0]].partition : null);
  for (const { from, to, d } of found.edges) {
    const [a, b] = [found.boxes[from], found.boxes[to]];
    if (owner(a) !== null && owner(a) === owner(b))
      halos.append(svg("path", { class: `halo p${tintOf(a)}`, d }));
    lines.append(svg("path", { class: "edge", d }));
  }
  for (const box of found.boxes) {
    const tint = tintOf(box);
    const left = box.x - BOX.width / 2;
    if (tint !== null) {
      halos.append(
        svg("rect", {
          class: `halo-box p${tint}`,
          x: left - 11,
          y: box.y - 11,
          width: BOX.width + 22,
          height: BOX.height + 22,
          rx: 18,
        }),
      );
    }
    boxes.append(drawBox(box, left));
  }
  const marker = svg(
    "marker",
    {
      id: "arrow",
      viewBox: "0 0 8 8",
      refX: 7,
      refY: 4,
      markerWidth: 6,
      markerHeight: 6,
      orient: "auto",
    },
    svg("path", { class: "arrow", d: "M0 0L8 4L0 8z" }),
  );
  drawing.replaceChildren(
    svg("defs", {}, marker),
    svg("g", { transform: `translate(${pad} ${pad})` }, halos, lines, boxes),
  );
  drawStrip(found);
  markSelected();
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function drawBox(box, left) {
  const graph = data.graphs[state.graph];
  const end = box.kind !== "group";
  const worst = end ? null : worstOf(box);
  const many = box.groups.length > 1 || (!box.groups.length && box.nodes.length > 1);
  const op = (n) => graph.nodes.find((node) => node.index === n)?.op ?? "";
  let title = end ? box.kind : worst ? worst.label : joined(box.nodes.map(op));
  let sub = `node ${spans(box.nodes)}`;
  if (end) {
    sub = tensorAt.get(`${graph.index}:${box.tensors[0]}`)?.name ?? `tensor ${box.tensors[0]}`;
  } else if (many) {
    title = `${box.nodes.length} nodes`;
    sub = worst ? (badness[worst.verdict] ? `up to ${digits(worst.error)}` : worst.verdict) : "";
    if (worst) sub += ` · ${worst.owner}`;
  } else if (worst) {
    const error = worst.error === 0 ? "equal" : digits(worst.error);
    sub += ` · ${worst.error === null ? worst.verdict : error}`;
    if (worst.owner === "cpu") sub += " · cpu";
  }
  const name = end
    ? sub
    : many
      ? `${title}: ${sub}`
      : `${title}, ${sub}, ${worst?.verdict ?? "unseen"}`;
  const node = svg(
    "g",
    {
      class: `box ${end ? "end" : shade(worst)}${many ? " many" : ""}`,
      tabindex: end ? null : 0,
      role: "button",
      "aria-label": name,
      "data-nodes": box.nodes.join(" "),
      onclick: () => choose(box, worst),
      onkeydown: (e) => (e.key === "Enter" ? choose(box, worst) : null),
    },
    svg("title", {}, name),
    svg("rect", { x: left, y: box.y, width: BOX.width, height: BOX.height, rx: end ? 22 : 7 }),
    svg("text", { x: left + 12, y: box.y + 19 }, cut(title, 20)),
    svg("text", { class: "sub", x: left + 12, y: box.y + 34 }, cut(sub, 25)),
  );
  for (const g of box.groups) state.boxes.set(g, { node, box });
  return node;
}

function choose(box, worst) {
  if (box.kind !== "group") {
    const row = rows.find(
      (r) =>
        r.tensor?.graph === data.graphs[state.graph].index && r.tensor.tensor === box.tensors[0],
    );
    if (row) select(row.group, row, "graph");
  } else if (worst) {
    select(worst, null, "graph");
  }
}

function drawStrip(found) {
  const layers = Math.max(...found.boxes.map((box) => box.layer), 0) + 1;
  const marks = found.boxes
    .filter((box) => box.groups.length)
    .map((box) => ({ layer: box.layer, group: worstOf(box) }))
    .sort((a, b) => (badness[a.group.verdict] ?? 0) - (badness[b.group.verdict] ?? 0));
  strip.setAttribute("viewBox", `0 0 1 ${layers}`);
  strip.replaceChildren(
    ...marks.map(({ layer, group }) =>
      svg("rect", { class: `mark ${shade(group)}`, x: 0, y: layer, width: 1, height: 1 }),
    ),
    svg("rect", { class: "window", x: 0, width: 1 }),
  );
  moveWindow();
}

function moveWindow() {
  const frame = strip.querySelector(".window");
  if (!frame) return;
  const layers = strip.viewBox.baseVal.height;
  const whole = Math.max(scroller.scrollHeight, 1);
  frame.setAttribute("y", (layers * scroller.scrollTop) / whole);
  frame.setAttribute("height", (layers * scroller.clientHeight) / whole);
}

function setZoom(zoom, keep = { x: scroller.clientWidth / 2, y: scroller.clientHeight / 2 }) {
  const before = state.zoom;
  const at = {
    x: (scroller.scrollLeft + keep.x) / before,
    y: (scroller.scrollTop + keep.y) / before,
  };
  state.zoom = Math.min(Math.max(zoom, 0.02), 3);
  drawing.setAttribute("viewBox", `0 0 ${state.size.width} ${state.size.height}`);
  drawing.setAttribute("width", state.size.width * state.zoom);
  drawing.setAttribute("height", state.size.height * state.zoom);
  scroller.scrollTo(at.x * state.zoom - keep.x, at.y * state.zoom - keep.y);
  moveWindow();
}
const widthZoom = () => Math.min(1, scroller.clientWidth / state.size.width);
const fitZoom = () => Math.min(widthZoom(), scroller.clientHeight / state.size.height);

function showGraph(graph, view) {
  state.graph = graph;
  state.view = view;
  byId("graph-select").value = graph;
  const { brief } = data.graphs[graph].drawings;
  byId("view-switch").hidden = brief === null;
  byId("view-brief").setAttribute("aria-pressed", view === "brief");
  byId("view-all").setAttribute("aria-pressed", view === "all");
  drawGraph();
  setZoom(Math.max(widthZoom(), 0.8));
  reveal();
}

function reveal() {
  const found = state.group && state.boxes.get(state.group.id);
  if (!found) return;
  const { x, y } = found.box;
  const [left, top] = [
    (x + 26) * state.zoom - scroller.clientWidth / 2,
    (y + 48) * state.zoom - scroller.clientHeight / 2,
  ];
  scroller.scrollTo(left, top);
  moveWindow();
}

function markSelected() {
  drawing.querySelectorAll(".selected").forEach((node) => node.classList.remove("selected"));
  if (state.group) state.boxes.get(state.group.id)?.node.classList.add("selected");
}

function prepareGraph() {
  const choice = byId("graph-select");
  data.graphs.forEach((graph, g) =>
    choice.append(el("option", { value: g }, cut(`subgraph ${graph.index} ${graph.name}`, 40))),
  );
  choice.hidden = data.graphs.length < 2;
  choice.addEventListener("change", () =>
    showGraph(Number(choice.value), defaultView(Number(choice.value))),
  );
  byId("view-brief").addEventListener("click", () => showGraph(state.graph, "brief"));
  byId("view-all").addEventListener("click", () => showGraph(state.graph, "all"));
  byId("zoom-in").addEventListener("click", () => setZoom(state.zoom * 1.3));
  byId("zoom-out").addEventListener("click", () => setZoom(state.zoom / 1.3));
  byId("zoom-fit").addEventListener("click", () => setZoom(fitZoom()));
  scroller.addEventListener("scroll", moveWindow);
  scroller.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const frame = scroller.getBoundingClientRect();
      setZoom(state.zoom * Math.exp(-event.deltaY / 300), {
        x: event.clientX - frame.left,
        y: event.clientY - frame.top,
      });
    },
    { passive: false },
  );
  let grip = null;
  scroller.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) {
      grip = {
        x: event.clientX,
        y: event.clientY,
        left: scroller.scrollLeft,
        top: scroller.scrollTop,
      };
    }
  });
  window.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    if (Math.hypot(dx, dy) > 4) scroller.classList.add("dragging");
    scroller.scrollTo(grip.left - dx, grip.top - dy);
  });
  window.addEventListener("pointerup", () => {
    grip = null;
    scroller.classList.remove("dragging");
  });
  strip.addEventListener("click", (event) => {
    const frame = strip.getBoundingClientRect();
    scroller.scrollTop =
      ((event.clientY - frame.top) / frame.height) * scroller.scrollHeight -
      scroller.clientHeight / 2;
  });
  const used = new Set(groups.map(shade));
  const entries = SHADES.filter(([name]) => used.has(name));
  const owners = new Map(
    groups.filter((g) => g.partition !== null).map((g) => [g.partition % 4, g.owner]),
  );
  for (const [tint, owner] of owners) entries.push([`p${tint}`, `around: a partition of ${owner}`]);
  byId("legend").append(
    ...entries.map(([name, text]) =>
      el(
        "li",
        {},
        svg(
          "svg",
          { viewBox: "0 0 16 12" },
          svg("rect", { class: `swatch ${name}`, x: 1, y: 1, width: 14, height: 10, rx: 3 }),
        ),
        text,
      ),
    ),
  );
}
const defaultView = (g) => (data.graphs[g].drawings.brief ? "brief" : "all");
