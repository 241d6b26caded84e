// The section for new jobs. What is wrong is said by the API, at the field that it is about.

import { announce } from "./announce.js";
import { ask } from "./ask.js";
import { count } from "./words.js";

const MOST_AT_ONCE = 1000;
const form = document.getElementById("submit");
const by = (id) => document.getElementById(id);
const NUMBERS = new Set(["video_duration_s", "max_attempts", "simulate/duration_s"]);
const TEXTS = ["target_language", "source_language", "title", "priority", "callback_url", "job_id", "engine"];

// Returns what a field stands for in JSON; what is no number goes as it is, for the API to refuse.
function numeric(text) {
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function submission() {
  const given = new FormData(form), said = {};
  for (const name of TEXTS) if (given.get(name)?.trim()) said[name] = given.get(name).trim();
  for (const name of NUMBERS) {
    if (!given.get(name)?.trim()) continue;
    if (name === "simulate/duration_s") said.simulate = { duration_s: numeric(given.get(name)) };
    else said[name] = numeric(given.get(name));
  }
  if (given.get("scenario")) said.simulate = { ...said.simulate, scenario: given.get("scenario") };
  if (given.get("metadata")?.trim()) {
    try {
      said.metadata = JSON.parse(given.get("metadata"));
    } catch {
      said.metadata = given.get("metadata");
    }
  }
  return said;
}

function urls() {
  return new FormData(form).get("video_url").split("\n").map((each) => each.trim()).filter(Boolean);
}

function clear() {
  by("refusal").hidden = true;
  for (const field of form.querySelectorAll(".field.wrong")) {
    field.classList.remove("wrong");
    field.querySelector(".problem").remove();
    const input = field.querySelector("input, select, textarea");
    input.removeAttribute("aria-invalid");
    const hint = field.querySelector(".hint");
    if (hint) input.setAttribute("aria-describedby", hint.id);
    else input.removeAttribute("aria-describedby");
  }
}

// Says each problem at its field, and what has none of its own below the form; the first one gets the focus.
function refuse(refusal) {
  const elsewhere = [];
  let first = null;
  for (const { pointer, message } of refusal.errors) {
    const name = pointer.slice(1);
    const field = [...form.querySelectorAll("[data-field]")].find((each) => {
      return name === each.dataset.field || name.startsWith(`${each.dataset.field}/`);
    });
    if (!field) elsewhere.push(name ? `${name} ${message}` : message);
    else if (!field.classList.contains("wrong")) {
      const input = field.querySelector("input, select, textarea");
      const said = field.appendChild(document.createElement("p"));
      said.className = "problem";
      said.id = `p-${input.id}`;
      said.textContent = message;
      field.classList.add("wrong");
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", said.id);
      const folded = field.closest("details");
      if (folded) folded.open = true;
      first ??= input;
    }
  }
  if (elsewhere.length || !refusal.errors.length) {
    by("refusal").textContent = elsewhere.join("; ") || refusal.message;
    by("refusal").hidden = false;
  }
  first?.focus();
}

const address = (job, client) => `/page/jobs/${job.job_id}${client ? `?client=${client}` : ""}`;

async function submitOne(url, said, client) {
  const job = await ask("POST", "/jobs", { body: { ...said, video_url: url }, client });
  location.assign(address(job, client));
}

async function submitMany(all, said, client) {
  const results = [];
  for (let at = 0; at < all.length; at += MOST_AT_ONCE) {
    const some = all.slice(at, at + MOST_AT_ONCE);
    const body = { jobs: some.map((video_url) => ({ ...said, video_url })) };
    results.push(...(await ask("POST", "/jobs/batch", { body, client })).results);
  }
  const taken = results.filter((each) => each.job).length;
  const refused = results.length - taken;
  by("results-title").textContent = `${count(taken)} submitted${refused ? `, ${count(refused)} refused` : ""}`;
  by("result-list").replaceChildren(...results.map((each, at) => result(each, all[at], client)));
  by("results").hidden = false;
  by("results").focus();
  announce(by("results-title").textContent);
}

function result({ job, problem }, url, client) {
  const item = document.createElement("li"), left = item.appendChild(document.createElement("span"));
  left.textContent = url;
  if (job) {
    const link = item.appendChild(document.createElement("a"));
    link.href = address(job, client);
    link.textContent = job.job_id;
  } else {
    const said = item.appendChild(document.createElement("span"));
    said.className = "problem";
    const errors = (problem.errors ?? []).map(({ pointer, message }) => `${pointer.slice(1)} ${message}`);
    said.textContent = errors.join("; ") || problem.detail;
  }
  return item;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clear();
  const button = form.querySelector("button.main"), all = urls(), client = new FormData(form).get("client");
  button.disabled = true;
  try {
    if (all.length > 1) await submitMany(all, submission(), client);
    else await submitOne(all[0] ?? "", submission(), client);
  } catch (refusal) {
    refuse(refusal);
  } finally {
    button.disabled = false;
  }
});

form.querySelector("button.main").disabled = false;
by("f-scenario")?.addEventListener("change", ({ target }) => {
  by("h-scenario").textContent = target.selectedOptions[0].dataset.does ?? "As the service’s dice fall";
});
