// The section about who is told: this browser, and people elsewhere.

import { ask } from "./ask.js";
import { standing, turnOff, turnOn } from "./tell.js";

const by = (id) => document.getElementById(id);
const HERE = {
  unsupported: "This browser has no notifications.",
  denied: "The browser refuses them for this site. Its settings can allow them.",
  off: "Off.",
  on: "On, as long as a tab with the jobs is open.",
};

function showHere(state) {
  by("here").textContent = HERE[state];
  by("here-on").hidden = state !== "off";
  by("here-off").hidden = state !== "on";
}

// The button that was pressed is gone then, and the focus would be with it.
async function change(turn, next) {
  showHere(await turn());
  if (!by(next).hidden) by(next).focus();
}
by("here-on").addEventListener("click", () => change(turnOn, "here-off"));
by("here-off").addEventListener("click", () => change(turnOff, "here-on"));

function rowOf(target) {
  const row = document.createElement("tr"), scheme = row.appendChild(document.createElement("th"));
  scheme.scope = "row";
  scheme.textContent = target.scheme;
  row.appendChild(document.createElement("td")).textContent = target.on.join(", ");
  const button = row.appendChild(document.createElement("td")).appendChild(document.createElement("button"));
  button.className = "quiet";
  button.textContent = "Remove";
  button.setAttribute("aria-label", `Tell ${target.scheme} no more`);
  button.addEventListener("click", () => attempt(async () => {
    await ask("DELETE", `/notifications/${target.target_id}`);
    await look();
    by("h-others").focus();
  }));
  return row;
}

function show({ targets, schemes }) {
  by("targets").tBodies[0].replaceChildren(...targets.map(rowOf));
  by("targets").hidden = !targets.length;
  by("none").hidden = targets.length > 0 || !schemes.length;
  by("off").hidden = schemes.length > 0;
  by("add").hidden = !schemes.length;
  by("schemes").textContent = schemes.map((each) => `${each}://`).join(", ");
}

const look = async () => show(await ask("GET", "/notifications"));

async function attempt(act) {
  try {
    await act();
    by("refusal").hidden = true;
  } catch (refusal) {
    by("refusal").textContent = refusal.errors?.map(({ message }) => message).join("; ") || refusal.message;
    by("refusal").hidden = false;
  }
}

by("add").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const given = new FormData(by("add"));
    await ask("POST", "/notifications", { body: { url: given.get("url").trim(), on: given.getAll("on") } });
    by("add").reset();
    await look();
  });
});

showHere(standing());
attempt(look);
