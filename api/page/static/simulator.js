// The simulator's controls: the clock of the caller's jobs, and outages. What they may be is said by the API.

import { ask } from "./ask.js";
import { now } from "./time.js";
import { count, countdown } from "./words.js";

const PAUSE_MS = 5000;
const SHOWN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const WORDS = { unavailable: "Requests are answered 503", dropped: "Requests are cut off", slow: "Requests are answered late" };
const by = (id) => document.getElementById(id);
const hasOutages = by("outage") !== null;

let clock = null, clock_ms = 0, outage = null, outage_ms = 0;

function take(found) {
  [clock, clock_ms] = [found, now()];
  for (const button of document.querySelectorAll("[data-turn]")) {
    const turn = JSON.parse(button.dataset.turn);
    const isSo = turn.freeze ? found.frozen : !found.frozen && turn.speed === found.speed;
    button.setAttribute("aria-pressed", String(isSo));
  }
  draw();
}

function takeOutage(found) {
  [outage, outage_ms] = [found, now()];
  draw();
}

function draw() {
  if (clock) {
    const shown_ms = Date.parse(clock.now) + (clock.frozen ? 0 : (now() - clock_ms) * clock.speed);
    by("clock").textContent = SHOWN.format(shown_ms);
    by("clock").dateTime = new Date(shown_ms).toISOString();
    const ahead_s = Math.round((shown_ms - now()) / 1000);
    const pace = clock.frozen ? "stands still" : clock.speed === 1 ? "real time" : `× ${count(clock.speed)}`;
    by("pace").textContent = Math.abs(ahead_s) > 1 ? `${pace}, ${count(ahead_s)} s ahead of real time` : pace;
  }
  if (outage) {
    const left_s = Math.max(0, outage.left_s - (now() - outage_ms) / 1000), isOn = outage.kind !== null && left_s > 0;
    by("outage").textContent = isOn ? WORDS[outage.kind] ?? outage.kind : "None";
    by("outage").className = isOn ? "error" : "";
    by("outage-left").textContent = isOn ? `${count(Math.round(outage.share * 100))} % of them, for ${countdown(left_s)} more` : "";
    by("end").disabled = !isOn;
  }
}

// Does something, and says below the heading what was wrong with it.
async function attempt(act) {
  try {
    await act();
    by("refusal").hidden = true;
  } catch (refusal) {
    const said = refusal.errors?.map(({ pointer, message }) => `${pointer.slice(1)} ${message}`).join("; ");
    by("refusal").textContent = said || refusal.message;
    by("refusal").hidden = false;
  }
}

const turn = (body) => attempt(async () => take(await ask("POST", "/simulator/clock", { body })));

// What is being typed is not written over.
function takeOdds({ error_rate }, isTyped) {
  if (!isTyped) by("f-odds").value = error_rate === null ? "" : String(Math.round(error_rate * 1e4) / 100);
}

const look = () => attempt(async () => {
  take(await ask("GET", "/simulator/clock"));
  takeOdds(await ask("GET", "/simulator/odds"), document.activeElement === by("f-odds"));
  if (hasOutages) takeOutage(await ask("GET", "/simulator/outage"));
});

for (const button of document.querySelectorAll("[data-turn]")) {
  button.addEventListener("click", () => turn(JSON.parse(button.dataset.turn)));
}
by("advance").addEventListener("submit", (event) => {
  event.preventDefault();
  turn({ advance_s: Number(by("f-advance").value) });
});
by("odds").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = by("f-odds").value.trim();
  const error_rate = text ? Math.round(Number(text) * 100) / 1e4 : null;
  attempt(async () => takeOdds(await ask("POST", "/simulator/odds", { body: { error_rate } })));
});
by("reset").addEventListener("click", () => attempt(async () => {
  await ask("POST", "/reset");
  await look();
}));

if (hasOutages) {
  const latency = document.querySelector("[data-field=latency]"), kind = by("f-kind");
  const choose = () => (latency.hidden = kind.value !== "slow");
  kind.addEventListener("input", choose);
  choose();
  by("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(by("begin"));
    const body = { kind: kind.value, for_s: Number(given.get("for_s")), share: Number(given.get("share")) / 100 };
    if (kind.value === "slow") body.latency = given.get("latency").trim();
    attempt(async () => takeOutage(await ask("POST", "/simulator/outage", { body })));
  });
  by("end").addEventListener("click", () => attempt(async () => takeOutage(await ask("DELETE", "/simulator/outage"))));
}

setInterval(draw, 200);
setInterval(() => document.hidden || look(), PAUSE_MS);
look();
