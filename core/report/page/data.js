"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 168, height: 44 };
const PAGE = 250;

// Elements. Text from the model only ever becomes text nodes and attribute values.
const fill = (node, attributes, children) => {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
};
const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// Numbers: JSON has infinities and NaN as text.
const number = (value) =>
  typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value;
const digits = (value) => {
  const x = number(value);
  if (x === null || x === undefined) return "–";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size < 1e-3 || size >= 1e5 ? x.toExponential(2) : String(Number(x.toPrecision(4)));
  return text.replace("-", "−").replace("e−", "e−").replace("e+", "e");
};
const whole = (value) => value.toLocaleString("en");
const percent = (value) => {
  if (value === null || value === undefined) return "–";
  const x = 100 * value;
  return x !== 0 && x < 0.01
    ? "< 0.01 %"
    : x !== 100 && x > 99.99
      ? "> 99.99 %"
      : `${Number(x.toPrecision(4))} %`;
};
const spans = (nodes) => {
  const parts = [];
  for (const n of [...nodes].sort((a, b) => a - b)) {
    const last = parts[parts.length - 1];
    if (last && last[1] === n - 1) last[1] = n;
    else parts.push([n, n]);
  }
  return parts.map(([a, b]) => (a === b ? a : `${a}–${b}`)).join(", ");
};

// What the page is about: groups of nodes, and rows of the table, one for each of their tensors.
const tensorAt = new Map(
  data.tensors.map((tensor) => [`${tensor.graph}:${tensor.tensor}`, tensor]),
);
const groups = data.groups;
const taken = new Set();
const rows = [];
const addRow = (group, tensor) => {
  if (tensor) taken.add(tensor);
  rows.push({ group, tensor, order: rows.length, words: "" });
  if (group) (group.rows ??= []).push(rows[rows.length - 1]);
};
groups.forEach((group, id) => {
  group.id = id;
  group.rank = data.ranking.indexOf(id);
  group.error = number(group.error);
  group.label = joined(group.ops);
  const seen = group.outputs
    .map((t) => tensorAt.get(`${group.graph}:${t}`))
    .filter((t) => t && !taken.has(t));
  if (seen.length) seen.forEach((tensor) => addRow(group, tensor));
  else addRow(group, null);
});
data.tensors.filter((tensor) => !taken.has(tensor)).forEach((tensor) => addRow(null, tensor));
for (const row of rows) {
  const { group, tensor } = row;
  row.words = [
    tensor?.name,
    tensor?.dtype,
    tensor?.owner,
    group?.owner,
    group?.label,
    group?.verdict,
    tensor?.verdict,
    group && spans(group.nodes),
  ]
    .join(" ")
    .toLowerCase();
}
const badness = { failed: 2, wrong: 1 };
const worstRow = (group) =>
  group.rows.reduce((a, b) =>
    number(b.tensor?.error ?? -1) > number(a.tensor?.error ?? -1) ? b : a,
  );

function joined(ops) {
  const short = [];
  for (const op of ops) {
    const last = short[short.length - 1];
    if (last && last[0] === op) last[1] += 1;
    else short.push([op, 1]);
  }
  return short.map(([op, count]) => (count > 1 ? `${count}× ${op}` : op)).join(" + ");
}

function shade(group) {
  if (!group) return "unseen";
  const error = group.error;
  if (group.verdict === "failed") return "failed";
  if (group.verdict === "wrong") return error < 0.01 ? "bad-1" : error < 0.1 ? "bad-2" : "bad-3";
  if (group.verdict === "ok") return error === 0 ? "ok-0" : error < 1e-5 ? "ok-1" : "ok-2";
  return "unseen";
}
const SHADES = [
  ["ok-0", "equal"],
  ["ok-1", "ok, < 1e−5"],
  ["ok-2", "ok"],
  ["bad-1", "wrong, < 1 %"],
  ["bad-2", "wrong, < 10 %"],
  ["bad-3", "wrong, ≥ 10 % of the largest value"],
  ["failed", "failed"],
  ["unseen", "not seen or not comparable"],
];
