// Details of what is selected.
const pill = (verdict) => el("span", { class: `pill ${verdict}` }, verdict);
const name = (text) => el("bdi", {}, text);

function showDetails() {
  const { group, row } = state;
  const tensor = row?.tensor;
  const body = byId("details-body");
  body.replaceChildren();
  if (group) {
    const several = data.graphs.length > 1 ? `subgraph ${group.graph}, ` : "";
    body.append(
      el("p", { class: "name" }, name(group.label)),
      el(
        "p",
        {},
        pill(group.verdict),
        ` ${several}node${group.nodes.length > 1 ? "s" : ""} ${spans(group.nodes)} on `,
        name(group.owner),
      ),
    );
    if (group.nodes.length > 1)
      body.append(
        el(
          "p",
          { class: "hint" },
          "These nodes run as one: only what the last of them makes can be compared.",
        ),
      );
    if (group.reason) body.append(el("p", { class: "reason" }, name(group.reason)));
    if (group.rows.length > 1) {
      body.append(
        el(
          "div",
          { class: "tabs" },
          ...group.rows.map((each) =>
            el(
              "button",
              {
                type: "button",
                "aria-pressed": each === row,
                onclick: () => select(group, each, "details"),
              },
              name(each.tensor.name || `tensor ${each.tensor.tensor}`),
            ),
          ),
        ),
      );
    }
  }
  if (tensor) body.append(measures(group, tensor));
  else if (!group) body.append(el("p", { class: "hint" }, "Nothing is selected."));
  const sure = byId("histogram-title");
  sure.replaceChildren(
    "Absolute errors",
    tensor ? name(` of ${tensor.name || `tensor ${tensor.tensor}`}`) : "",
  );
  drawHistogram();
}

function measures(group, tensor) {
  const limit = tensor.tolerance;
  const limits = [
    limit.relative && `${digits(limit.relative)} of the value`,
    limit.of_largest && `${digits(limit.of_largest)} of the largest`,
    limit.absolute && `${digits(limit.absolute)}`,
  ].filter(Boolean);
  const worst = tensor.worst;
  const entries = [
    ["type", `${tensor.dtype} [${tensor.shape.join(", ")}]`],
    ["error / largest", digits(tensor.error)],
    ["tolerance", limits.join(" + ") || "must be equal"],
    group &&
      group.amplification !== null && ["error / its inputs' error", digits(group.amplification)],
    [
      "beyond",
      `${whole(tensor.beyond)} of ${whole(tensor.elements)} (${percent(tensor.share_beyond)})`,
    ],
    ["equal", percent(tensor.exact_rate)],
    ["cosine", digits(tensor.cosine)],
    ["SQNR", tensor.sqnr === null ? "–" : `${digits(tensor.sqnr)} dB`],
    tensor.mismatched > 0 && ["of another shape", tensor.mismatched],
    worst && ["worst element", `sample ${worst.sample}, [${worst.index.join(", ")}]`],
  ].filter(Boolean);
  return el(
    "div",
    {},
    el("p", { class: "tensor" }, `tensor ${tensor.tensor} `, name(tensor.name)),
    el(
      "dl",
      { class: "measures" },
      ...entries.map(([key, value]) =>
        el("div", {}, el("dt", {}, key), el("dd", {}, name(String(value)))),
      ),
    ),
    grid(
      ["error", "max", "mean"],
      [
        ["absolute", digits(tensor.max_abs), digits(tensor.mean_abs)],
        ["relative", digits(tensor.max_relative), digits(tensor.mean_relative)],
        ...(tensor.max_ulp === null
          ? []
          : [["ULP", digits(tensor.max_ulp), digits(tensor.mean_ulp)]]),
      ],
    ),
    grid(
      ["", "worst", "NaN", "∞", "0", "saturated"],
      [
        ["reference", digits(worst?.reference), ...special(tensor.reference)],
        ["compared", digits(worst?.compared), ...special(tensor.compared)],
      ],
    ),
  );
}

const special = (counts) =>
  ["nan", "inf", "zero", "saturated"].map((key) => whole(counts[key]));

function grid(head, lines) {
  const cells = (line) =>
    line.map((text, i) => el(i ? "td" : "th", i ? {} : { scope: "row" }, text));
  return el(
    "table",
    { class: "sides" },
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...lines.map((line) => el("tr", {}, ...cells(line)))),
  );
}
