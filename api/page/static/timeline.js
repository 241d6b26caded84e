// A job's course, drawn to scale; timeline.py says what its spans are.

import { span } from "./words.js";

const LEAST = 0.3; // percent of the picture that a moment takes, to be seen
const SVG = "http://www.w3.org/2000/svg";

function row() {
  const tr = document.createElement("tr");
  const label = tr.appendChild(document.createElement("th"));
  label.scope = "row";
  const track = tr.appendChild(document.createElement("td"));
  track.className = "track";
  const svg = track.appendChild(document.createElementNS(SVG, "svg"));
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("width", "100%");
  svg.setAttribute("height", "10");
  const bar = svg.appendChild(document.createElementNS(SVG, "rect"));
  bar.setAttribute("height", "10");
  bar.setAttribute("rx", "2");
  const after = tr.appendChild(document.createElement("td")), took = tr.appendChild(document.createElement("td"));
  after.className = "dim after";
  took.className = "took";
  return { tr, label, bar, after, took };
}

export class Timeline {
  #spans = [];
  #rows = [];

  constructor(body) {
    this.body = body;
  }

  tell(spans) {
    this.#spans = spans;
    if (this.#rows.length !== spans.length) {
      this.#rows = spans.map(row);
      this.body.replaceChildren(...this.#rows.map((each) => each.tr));
    }
  }

  get goesOn() {
    return this.#spans.some((each) => each.to_ms === null);
  }

  draw(now_ms) {
    if (!this.#spans.length) return;
    const began_ms = this.#spans[0].from_ms;
    const ends = this.#spans.map((each) => Math.max(each.from_ms, each.to_ms ?? now_ms));
    const length_ms = Math.max(1, Math.max(...ends) - began_ms);
    this.#spans.forEach((each, at) => {
      const { tr, label, bar, after, took } = this.#rows[at];
      const took_ms = Math.max(0, ends[at] - each.from_ms);
      tr.className = each.kind;
      label.textContent = each.label;
      const width = Math.max(LEAST, (100 * took_ms) / length_ms);
      bar.setAttribute("x", `${Math.min(100 - width, (100 * (each.from_ms - began_ms)) / length_ms).toFixed(2)}%`);
      bar.setAttribute("width", `${width.toFixed(2)}%`);
      after.textContent = `+ ${span((each.from_ms - began_ms) / 1000)}`;
      took.textContent = span(took_ms / 1000);
    });
  }
}
