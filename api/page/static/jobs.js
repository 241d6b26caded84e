// The section of all jobs.

import { announce } from "./announce.js";
import { ask } from "./ask.js";
import { fits, Known } from "./known.js";
import { Line } from "./live.js";
import { Table } from "./table.js";
import { standing, tell } from "./tell.js";
import { now, spaced } from "./time.js";
import { count } from "./words.js";

const MOST = 5000; // jobs that are kept here; who looks for older ones names them in the filter
const PAGE = 200;
const MOST_AT_ONCE = 1000;
const MOST_PAGES = 10; // that one look reads: a filter that fits few gets pages with few
const FIRST_MS = 3000, LONGEST_MS = 30000, AGAIN_MS = 500; // what a look may take, and the pause before the next
const FILTERS = ["state", "client", "language", "text"];

const form = document.getElementById("filters");
const known = new Known(MOST);
let wanted = readForm(), cursor = null, isLoading = false, isListed = false, listing = 0;

const table = new Table(document.getElementById("jobs"), {
  entries: () => known.listed.filter((entry) => fits(entry.job, wanted)),
  near: () => cursor && !isLoading && known.size < MOST && more(),
});

function readForm() {
  const given = new FormData(form);
  return Object.fromEntries(FILTERS.map((name) => [name, (given.get(name) ?? "").trim()]));
}

function query(more) {
  const given = Object.entries({ ...wanted, ...more }).filter(([, value]) => value);
  return new URLSearchParams(given).toString();
}

// Reads the list anew, as far down as it is known.
async function refresh(failed = 0) {
  const mine = ++listing, turn = known.turn(), jobs = [];
  const goal = Math.max(PAGE, Math.min(known.size, MOST));
  isLoading = true;
  try {
    let next = null, found, pages = 0;
    do {
      const limit = Math.min(MOST_AT_ONCE, goal - jobs.length);
      // it may go by a connection that is dead, so the first time it has to be quick
      const within_ms = Math.min(LONGEST_MS, FIRST_MS * 2 ** failed);
      found = await ask("GET", `/page/jobs?${query({ limit, cursor: next })}`, { within_ms });
      if (mine !== listing) return;
      jobs.push(...found.jobs);
      next = found.next_cursor;
    } while (next && jobs.length < goal && ++pages < MOST_PAGES);
    cursor = next;
    known.adopt(jobs, now(), turn, { isWhole: !next, isWanted: (job) => fits(job, wanted) });
    isListed = true;
    showCounts(found.counts);
    showRest();
    table.draw();
  } catch (refusal) {
    announce(refusal.message);
    setTimeout(() => mine === listing && refresh(failed + 1), AGAIN_MS);
  } finally {
    if (mine === listing) isLoading = false;
  }
}

async function more() {
  const mine = listing;
  isLoading = true;
  try {
    const found = await ask("GET", `/page/jobs?${query({ limit: PAGE, cursor })}`);
    if (mine !== listing) return;
    cursor = found.next_cursor;
    known.append(found.jobs, now(), { isWhole: !cursor });
    showRest();
  } catch {
    cursor = null; // the line will say what is wrong, and all is read anew when it is back
  } finally {
    if (mine === listing) {
      isLoading = false;
      table.draw();
    }
  }
}

const recount = spaced(async () => {
  const found = await ask("GET", `/page/jobs?${query({ limit: 1 })}`).catch(() => null);
  if (found) showCounts(found.counts);
}, 2000);

function showCounts(counts) {
  const all = Object.values(counts).reduce((sum, each) => sum + each, 0);
  for (const shown of document.querySelectorAll("[data-count]")) {
    const text = count(shown.dataset.count ? counts[shown.dataset.count] : all);
    if (shown.textContent !== text) shown.textContent = text;
  }
  const words = ["running", "queued"].map((state) => `${count(counts[state])} ${state}`).join(", ");
  announce(`${words}, ${count(counts.completed)} completed, ${count(counts.error)} failed`);
}

function showRest() {
  const shown = table.read().length;
  document.getElementById("empty").hidden = shown > 0 || cursor !== null;
  const rest = document.getElementById("more");
  rest.hidden = cursor === null;
  rest.textContent = known.size < MOST ? "Loading older jobs…" : `The newest ${count(MOST)}. A filter finds older ones.`;
}

function news(job, at_ms) {
  const old = known.get(`${job.client_id}/${job.job_id}`)?.job;
  if (!old && !fits(job, wanted)) {
    recount();
    return;
  }
  if (!known.take(job, at_ms)) return;
  if (job.done && !old?.done) tell(job);
  if (old?.state !== job.state) recount();
  if (!old && isListed) showRest();
  if (known.size > MOST * 0.9) known.prune((entry) => fits(entry.job, wanted), at_ms);
  table.draw();
}

const look = spaced(() => {
  known.clear();
  table.draw();
  refresh();
}, 150);

function filter() {
  const before = JSON.stringify(wanted);
  wanted = readForm();
  if (JSON.stringify(wanted) === before) return;
  history.replaceState(null, "", query({}) ? `/?${query({})}` : "/");
  cursor = null;
  look();
}

form.addEventListener("input", filter);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});
// what a browser has filled in again on the way back
addEventListener("pageshow", filter);

new Line(document.body.dataset.events, { news, back: () => refresh() }).keepsHidden = standing() === "on";
