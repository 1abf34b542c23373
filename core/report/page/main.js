// Selecting, which graph, plots and table share. `origin` is where it was done: that stays put.
function select(group, row, origin) {
  state.row?.element?.classList.remove("selected");
  state.row?.point?.classList.remove("selected");
  state.group = group;
  state.row = row ?? (group ? worstRow(group) : null);
  const place = group ? data.graphs.findIndex((graph) => graph.index === group.graph) : -1;
  if (place >= 0 && place !== state.graph && origin !== "graph")
    showGraph(place, defaultView(place));
  else if (origin !== "graph") reveal();
  markSelected();
  state.row?.point?.classList.add("selected");
  if (origin !== "table" && origin !== "link" && state.row && !state.row.element?.isConnected)
    drawTableTo(state.row);
  state.row?.element?.classList.add("selected");
  if (origin === "link" || origin === "ranking")
    byId("graph").scrollIntoView({ block: "start", behavior: "smooth" });
  showDetails();
}

function drawRanking() {
  const most = 8;
  byId("guilty").hidden = !data.ranking.length;
  byId("ranking").append(
    ...data.ranking.slice(0, most).map((id) => {
      const group = groups[id];
      const details = [
        `node ${spans(group.nodes)}`,
        group.error !== null && `error ${digits(group.error)}`,
        group.amplification !== null && `×${digits(group.amplification)}`,
      ]
        .filter(Boolean)
        .join(" · ");
      return el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            title: "error as a share of the largest value, and what it is of its inputs' error",
            onclick: () => select(group, null, "ranking"),
          },
          el("b", {}, name(group.label)),
          el("span", {}, details),
        ),
      );
    }),
  );
  if (data.ranking.length > most)
    byId("guilty").append(el("p", { class: "hint" }, `and ${data.ranking.length - most} more`));
}

drawRanking();
prepareGraph();
prepareTable();
const guiltiest = data.ranking.length ? groups[data.ranking[0]] : null;
const largest = groups.reduce(
  (a, b) => ((b.error ?? -1) > (a?.error ?? -1) ? b : a),
  groups[0] ?? null,
);
state.group = guiltiest ?? largest;
state.row = state.group ? worstRow(state.group) : (rows[0] ?? null);
const start = Math.max(
  data.graphs.findIndex((graph) => graph.index === state.group?.graph),
  0,
);
if (data.graphs.length) showGraph(start, defaultView(start));
drawTable();
showDetails();
drawDepth();
let wide = window.innerWidth;
window.addEventListener("resize", () => {
  if (wide === window.innerWidth) return;
  wide = window.innerWidth;
  drawDepth();
  drawHistogram();
  moveWindow();
});
