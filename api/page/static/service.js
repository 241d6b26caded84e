// The section about the service: how it stands, and its last hour. The service keeps all of it; this asks and draws.

import { announce } from "./announce.js";
import { ask } from "./ask.js";
import { Chart } from "./chart.js";
import { count, span } from "./words.js";

const PAUSE_MS = 5000;
const by = (id) => document.getElementById(id);

// Times from milliseconds on; words.js has those that people wait for.
const short = (seconds) => (seconds < 0.9995 ? `${(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms` : span(seconds));
const percent = (share) => `${(share * 100).toFixed(share && share < 0.0995 ? 1 : 0)} %`;
const whole = (value) => count(Math.round(value));
const figure = (value) => (value < 10 && !Number.isInteger(value) ? value.toFixed(1) : whole(value));

const lines = [
  { words: "half in", className: "s-p50" },
  { words: "nine of ten in", className: "s-p90" },
];
const quantiles = (rows) => [rows.map((each) => each?.p50_s ?? null), rows.map((each) => each?.p90_s ?? null)];
const summed = (rows) => rows[0].map((_, at) => rows.reduce((sum, each) => (each[at] === null ? sum : sum + each[at]), 0));

const CHARTS = {
  ends: {
    kind: "bars", words: figure, least: 5,
    series: [
      { words: "completed", className: "s-completed" },
      { words: "error", className: "s-error" },
      { words: "cancelled", className: "s-cancelled" },
    ],
    values: ({ counted }) => [counted.completed, counted.error, counted.cancelled],
  },
  queue: {
    kind: "areas", words: figure, least: 5,
    series: [
      { words: "high", className: "s-high" },
      { words: "default", className: "s-default" },
      { words: "low", className: "s-low" },
    ],
    values: ({ measured }) => ["high", "default", "low"].map((each) => measured[`queued:${each}`]),
  },
  busy: {
    kind: "areas", words: figure, least: 5,
    series: [{ words: "running", className: "s-default" }],
    values: ({ measured }) => [measured.running],
  },
  run: { kind: "lines", words: span, least: 1, series: lines, values: ({ durations }) => quantiles(durations.run) },
  rate: {
    kind: "lines", words: percent, least: 0.1,
    series: [{ words: "error", className: "s-failed" }],
    values: ({ counted: { completed, error } }) => [
      error.map((failed, at) => (failed === null || !(failed + completed[at]) ? null : failed / (failed + completed[at]))),
    ],
  },
  knowing: { kind: "lines", words: short, least: 0.001, series: lines, values: ({ durations }) => quantiles(durations.knowing) },
};
const charts = Object.entries(CHARTS).map(([id, { values, series, ...rest }]) => ({
  chart: new Chart(by(`c-${id}`), { series: series.map((each) => ({ ...each })), ...rest }),
  values,
}));

function tile(id, words, more = "") {
  by(`t-${id}`).textContent = words;
  by(`t-${id}-more`).textContent = more;
}

function showTiles({ now, whole: hour }) {
  const queued = Object.values(now.queued).reduce((sum, each) => sum + each, 0);
  const oldest_s = Math.max(...Object.values(now.oldest_s));
  tile("queued", whole(queued), queued ? `longest ${span(oldest_s)}` : "");
  tile("running", whole(now.running), `of ${whole(now.slots)}`);
  tile("workers", whole(now.workers.length), now.workers.length ? "" : "nobody works");
  const { completed, error, cancelled } = hour.counted;
  tile("ended", whole(completed + error + cancelled), `${whole(completed)} completed`);
  tile("errors", hour.error_rate === null ? "–" : percent(hour.error_rate), error ? `${whole(error)} failed` : "");
  for (const [id, words, { [id]: took }] of [["run", span, hour.durations], ["knowing", short, hour.durations]]) {
    tile(id, took ? words(took.p50_s) : "–", took ? `nine of ten ${words(took.p90_s)}` : "");
  }
}

function showStages({ whole: { durations } }) {
  const longest_s = Math.max(1e-9, ...Object.entries(durations).map(([what, each]) => (what === "knowing" ? 0 : each?.p90_s ?? 0)));
  for (const row of document.querySelectorAll("[data-stage]")) {
    const took = durations[row.dataset.stage], [p90, p50] = row.querySelectorAll("rect");
    p50.setAttribute("width", `${(100 * (took?.p50_s ?? 0)) / longest_s}%`);
    p90.setAttribute("width", `${(100 * (took?.p90_s ?? 0)) / longest_s}%`);
    const cells = took ? [span(took.p50_s), span(took.p90_s), whole(took.count)] : ["–", "–", "–"];
    cells.forEach((words, at) => (row.children[at + 2].textContent = words));
  }
}

function showWorkers(workers) {
  const rows = workers.map((each) => {
    const row = document.createElement("tr");
    const name = row.appendChild(document.createElement("th"));
    name.scope = "row";
    name.textContent = `${each.host} ${each.pid ?? ""}`;
    name.title = each.name;
    row.appendChild(document.createElement("td")).textContent = each.queues.join(", ");
    const held = row.appendChild(document.createElement("td"));
    held.className = "wide";
    const bar = held.appendChild(document.createElement("progress"));
    bar.max = Math.max(1, each.slots);
    bar.value = Math.min(each.slots, each.holds);
    bar.className = "running";
    bar.setAttribute("aria-label", `holds ${each.holds} of ${each.slots}`);
    row.appendChild(document.createElement("td")).textContent = `${whole(each.holds)} of ${whole(each.slots)}`;
    return row;
  });
  by("workers").tBodies[0].replaceChildren(...rows);
  by("workers").hidden = !workers.length;
  by("no-workers").hidden = workers.length > 0;
}

async function look() {
  try {
    const found = await ask("GET", "/page/statistics");
    const minutes = found.minutes.map((each) => Date.parse(each));
    for (const { chart, values } of charts) chart.draw(minutes, values(found));
    showTiles(found);
    showStages(found);
    showWorkers(found.now.workers);
    by("refusal").hidden = true;
    const queued = summed(Object.values(found.now.queued).map((each) => [each]))[0];
    announce(`${whole(queued)} queued, ${whole(found.now.running)} running, ${found.now.workers.length} workers`);
  } catch (refusal) {
    by("refusal").textContent = refusal.message;
    by("refusal").hidden = false;
  }
}

// A tab that nobody looks at asks nothing.
async function turn() {
  if (!document.hidden) await look();
  setTimeout(turn, PAUSE_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || look());
turn();
