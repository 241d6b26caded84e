// The webhooks of a job: what became of each, and a button to send it again.

import { announce } from "./announce.js";
import { ask } from "./ask.js";
import { now } from "./time.js";
import { countdown } from "./words.js";

const SOON_MS = 1000, LATER_MS = 30000;

export class Deliveries {
  #timer = 0;

  constructor(section, { path, client, onChange }) {
    this.section = section;
    this.body = section.querySelector("tbody");
    this.path = path;
    this.client = client;
    this.onChange = onChange;
  }

  // Reads them, and again while there is something to come: there are no news of them.
  async read() {
    clearTimeout(this.#timer);
    const found = await ask("GET", `${this.path}/deliveries`, { client: this.client }).catch(() => null);
    if (!found) return;
    const text = JSON.stringify(found.deliveries);
    if (text !== this.known) {
      const isNews = this.known !== undefined;
      this.known = text;
      this.section.hidden = !found.deliveries.length;
      this.body.replaceChildren(...found.deliveries.map((each) => this.#row(each)));
      if (isNews) this.onChange();
    }
    const pending = found.deliveries.filter((each) => each.state === "pending");
    if (pending.length) {
      const due_ms = Math.min(...pending.map((each) => Date.parse(each.next_attempt_at ?? 0) || now()));
      this.#timer = setTimeout(() => this.read(), Math.min(LATER_MS, Math.max(SOON_MS, due_ms - now())));
    }
  }

  #row(delivery) {
    const tr = document.createElement("tr"), last = delivery.attempts.at(-1);
    const due_ms = delivery.next_attempt_at && Date.parse(delivery.next_attempt_at);
    const cells = [
      delivery.state,
      `${delivery.tried}${last?.error ? `: ${last.error}` : last?.status ? `: answered ${last.status}` : ""}`,
      due_ms ? `in ${countdown(Math.max(0, due_ms - now()) / 1000)}` : "",
      delivery.url,
    ];
    for (const text of cells) tr.appendChild(document.createElement("td")).textContent = text;
    tr.firstChild.className = { delivered: "completed", failed: "error" }[delivery.state] ?? "running";
    tr.children[3].className = "code";
    const button = tr.appendChild(document.createElement("td")).appendChild(document.createElement("button"));
    button.className = "quiet";
    button.textContent = "Send again";
    button.addEventListener("click", () => this.#again(button, delivery.delivery_id));
    return tr;
  }

  async #again(button, deliveryId) {
    button.disabled = true;
    try {
      await ask("POST", `${this.path}/deliveries/${deliveryId}/redeliver`, { client: this.client });
      announce("The webhook is sent again");
    } catch (refusal) {
      announce(refusal.message);
      button.disabled = false;
    }
    this.read();
  }
}
