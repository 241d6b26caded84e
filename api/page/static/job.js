// The section of one job.

import { announce } from "./announce.js";
import { ask } from "./ask.js";
import { Deliveries } from "./deliveries.js";
import { Line } from "./live.js";
import { framed, now, spaced } from "./time.js";
import { Timeline } from "./timeline.js";
import { clockTime, countdown } from "./words.js";

const page = document.getElementById("job");
const { job: jobId, client } = page.dataset;
const path = `/jobs/${jobId}`;
const by = (id) => document.getElementById(id);
const timeline = new Timeline(by("timeline").tBodies[0]);
const deliveries = new Deliveries(by("deliveries"), { path, client, onChange: () => course() });
let job = null, told_ms = 0, isStopping = false, line = null;

const draw = framed(() => {
  const now_ms = now();
  timeline.draw(now_ms);
  if (!job) return;
  by("state").className = `stands ${job.state}`;
  by("word").textContent = isStopping && !job.done ? "stopping" : job.state;
  by("progress").className = job.state;
  by("progress").value = job.progress;
  by("stands-how").textContent = how();
  by("expected").textContent = expected(now_ms);
  by("cancel").hidden = job.done;
  by("cancel").disabled = isStopping;
  by("again").hidden = !job.done;
});

function how() {
  const stage = job.state === "running" && job.stage ? `${job.stage}, ${Math.round(job.progress * 100)} %, ` : "";
  const place = job.position === null ? "" : `, ${job.position} ahead of it`;
  return `${stage}attempt ${job.attempt}/${job.max_attempts}${place}`;
}

function expected(now_ms) {
  if (!job.eta) return job.finished_at ? `finished ${clockTime(Date.parse(job.finished_at), now_ms)}` : "";
  const due_ms = told_ms + job.eta.p50_s * 1000;
  const rest = due_ms < now_ms + 500 ? "any moment" : `in ${countdown((due_ms - now_ms) / 1000)}`;
  return `expected ${rest}, ${clockTime(due_ms, now_ms)}`;
}

function show(fresh, at_ms) {
  if (job && job.created_at === fresh.created_at && job.seq > fresh.seq) return;
  const isOtherStep = !job || job.state !== fresh.state || job.stage !== fresh.stage || job.attempt !== fresh.attempt;
  if (job && job.state !== fresh.state) announce(`The job is ${fresh.state} now`);
  if (fresh.done || job?.attempt !== fresh.attempt) isStopping = false;
  job = fresh;
  told_ms = at_ms;
  by("document").textContent = JSON.stringify(job, null, 2);
  tellEnd();
  if (isOtherStep) course();
  draw();
  if (job.done) line?.end(); // and so does its stream
  else if (!line?.isThere) open();
}

function tellEnd() {
  by("failure").hidden = !job.error;
  if (job.error) {
    by("failure-message").textContent = job.error.message;
    by("failure-code").textContent = job.error.code;
    const hope = job.error.retryable ? "may well succeed if it is run again" : "would fail again";
    by("failure-more").textContent = `${job.error.stage ? ` in ${job.error.stage}` : ""}; ${hope}`;
  }
  by("output").hidden = !job.output;
  for (const [id, url] of [["output-video", job.output?.video_url], ["output-captions", job.output?.captions_url]]) {
    if (url) {
      by(id).href = url;
      by(id).textContent = url;
    }
  }
}

const course = spaced(async () => {
  const found = await ask("GET", `/page${path}/timeline?client=${client}`).catch(() => null);
  if (found) {
    timeline.tell(found.spans);
    by("incomplete").hidden = found.complete;
    draw();
  }
  if (job?.done && job.callback_url) deliveries.read();
}, 500);

async function move(what) {
  by("refusal").hidden = true;
  try {
    const moved = await ask("POST", `${path}/${what}`, { client });
    isStopping = what === "cancel" && !moved.done;
    show(moved, now());
  } catch (refusal) {
    by("refusal").textContent = refusal.message;
    by("refusal").hidden = false;
  }
}

by("cancel").addEventListener("click", () => move("cancel"));
by("again").addEventListener("click", () => move("reset"));
by("again").disabled = by("cancel").disabled = false;

for (const button of document.querySelectorAll("[data-copies]")) {
  button.disabled = false;
  button.addEventListener("click", async () => {
    const shown = by(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(shown.textContent);
      announce("Copied");
      button.firstChild.data = "Copied";
      setTimeout(() => (button.firstChild.data = "Copy"), 2000);
    } catch { // browsers allow it on https and on this machine alone
      getSelection().selectAllChildren(shown);
    }
  });
}

for (const shown of page.querySelectorAll("[data-time]")) {
  shown.textContent = new Date(shown.dataset.time).toLocaleString();
}

setInterval(() => document.hidden || draw(), 250);

function open() {
  line?.end();
  line = new Line(document.body.dataset.events, { news: show });
}
open();
// somebody else may have run it again
document.addEventListener("visibilitychange", async () => {
  if (document.hidden || !job?.done) return;
  const fresh = await ask("GET", path, { client }).catch(() => null);
  if (fresh) show(fresh, now());
});
