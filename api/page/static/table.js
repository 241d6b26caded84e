// The table of jobs: as many rows as fit onto the screen and some more, whatever their number; drawn once a frame.

import { clockTime, countdown, languages, span } from "./words.js";
import { framed, now } from "./time.js";
import { nameOf } from "./known.js";

const BEYOND = 8; // rows above and below what is seen, so that a flick of the wheel finds them there
const COLUMNS = ["state", "job", "client", "languages", "stage", "progress", "attempt", "position", "expected", "age"];

function element(tag, className) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

// Sets only what is different: what the browser is not told it need not lay out again.
function say(node, text) {
  if (node.data !== text) node.data = text;
}

class Row {
  constructor(isOfAll) {
    this.isOfAll = isOfAll;
    this.tr = element("tr");
    const cells = Object.fromEntries(COLUMNS.map((name) => [name, this.tr.appendChild(element("td", `c-${name}`))]));
    this.state = cells.state;
    this.state.append(element("i", "dot"), this.word = new Text());
    this.state.firstChild.setAttribute("aria-hidden", "true");
    this.link = cells.job.appendChild(element("a"));
    this.link.append(this.title = new Text());
    cells.job.append(" ", this.id = element("span", "dim"));
    this.progress = cells.progress.appendChild(element("progress"));
    this.progress.max = 1;
    this.progress.setAttribute("aria-label", "Progress");
    for (const name of ["client", "languages", "stage", "attempt", "position", "age"]) {
      cells[name].append(this[name] = new Text());
    }
    cells.expected.append(this.rest = new Text(), this.at = element("span", "at"));
    this.at.append(this.atText = new Text());
  }

  show(entry, index, now_ms) {
    const { job, at_ms } = entry;
    if (this.shown !== job || this.shown_at !== at_ms) {
      this.shown = job;
      this.shown_at = at_ms;
      this.#tell(job);
    }
    if (this.index !== index) this.tr.setAttribute("aria-rowindex", String((this.index = index) + 2));
    say(this.age, span((now_ms - entry.made_ms) / 1000).replace(/\.\d/, ""));
    const due_ms = job.eta ? at_ms + job.eta.p50_s * 1000 : null;
    say(this.rest, due_ms === null ? "" : due_ms < now_ms + 500 ? "any moment" : `in ${countdown((due_ms - now_ms) / 1000)}`);
    say(this.atText, due_ms === null ? "" : clockTime(due_ms, now_ms));
  }

  #tell(job) {
    if (this.word.data !== job.state) {
      this.state.className = `c-state ${job.state}`;
      this.progress.className = job.state;
    }
    say(this.word, job.state);
    const query = this.isOfAll ? `?client=${job.client_id}` : "", href = `/page/jobs/${job.job_id}${query}`;
    if (this.href !== href) this.link.href = this.href = href;
    say(this.title, job.title || job.job_id);
    if (this.id.textContent !== (job.title ? job.job_id : "")) this.id.textContent = job.title ? job.job_id : "";
    say(this.client, job.client_id);
    say(this.languages, languages(job));
    say(this.stage, job.state === "running" ? job.stage ?? "" : "");
    if (this.progress.value !== job.progress) this.progress.value = job.progress;
    say(this.attempt, `${job.attempt}/${job.max_attempts}`);
    say(this.position, job.position === null ? "" : String(job.position));
  }
}

export class Table {
  #rows = new Map();
  #entries = [];

  // `entries()` are those to be shown; `near()` is called when the end comes into sight.
  constructor(table, { entries, near = () => {} }) {
    this.table = table;
    this.isOfAll = table.classList.contains("of-all");
    this.body = table.tBodies[0];
    this.read = entries;
    this.near = near;
    this.above = element("tr", "space");
    this.below = element("tr", "space");
    for (const space of [this.above, this.below]) {
      space.setAttribute("aria-hidden", "true");
      space.append(element("td"));
    }
    this.draw = framed(() => this.#draw());
    addEventListener("scroll", this.draw, { passive: true });
    addEventListener("resize", this.draw);
    setInterval(() => document.hidden || this.draw(), 1000); // ages and countdowns
    this.body.addEventListener("keydown", (event) => this.#key(event));
  }

  // How high a row is says the stylesheet, which has another height for narrow screens.
  get #height() {
    return parseFloat(getComputedStyle(this.table).getPropertyValue("--row"));
  }

  #draw() {
    const before = this.#entries, height = this.#height, held = this.#held(before);
    const entries = (this.#entries = this.read());
    this.#keepInPlace(held, entries, height);
    const seen = Math.max(0, Math.floor(-this.body.getBoundingClientRect().top / height));
    const first = Math.max(0, seen - BEYOND);
    const last = Math.min(entries.length, seen + Math.ceil(innerHeight / height) + BEYOND);
    this.#show(first, Math.max(first, last), height);
    this.table.setAttribute("aria-rowcount", String(entries.length + 1));
    if (last === entries.length) this.near();
  }

  #show(first, last, height) {
    const now_ms = now(), rows = new Map();
    if (this.above.parentNode !== this.body) this.body.replaceChildren(this.above, this.below);
    this.#space(this.above, first * height);
    this.#space(this.below, (this.#entries.length - last) * height);
    for (let index = first; index < last; index++) {
      const name = nameOf(this.#entries[index].job);
      rows.set(name, this.#rows.get(name) ?? null);
    }
    for (const [name, row] of this.#rows) if (!rows.has(name)) row.tr.remove();
    let at = this.above.nextSibling, index = first;
    for (const name of rows.keys()) {
      const row = rows.get(name) ?? new Row(this.isOfAll);
      rows.set(name, row);
      row.show(this.#entries[index], index++, now_ms);
      if (row.tr === at) at = at.nextSibling;
      else this.body.insertBefore(row.tr, at);
    }
    this.#rows = rows;
  }

  #space(space, height) {
    if (space.height === height) return;
    space.height = height;
    space.hidden = !height;
    space.firstChild.style.height = `${height}px`;
  }

  // Returns the job that is to stay where it is though others come above it: the one that has the focus, or the first
  // that is seen once somebody has scrolled.
  #held(entries) {
    const focused = this.body.contains(document.activeElement) && document.activeElement.closest("tr");
    for (const [name, row] of this.#rows) if (row.tr === focused) return { name, index: row.index };
    const index = Math.floor(-this.body.getBoundingClientRect().top / this.#height);
    return index > 0 && entries[index] ? { name: nameOf(entries[index].job), index } : null;
  }

  #keepInPlace(held, entries, height) {
    if (!held) return;
    // those above a job seldom are many at once, so it is near where it was
    const reach = 500;
    for (let at = Math.max(0, held.index - reach); at < Math.min(entries.length, held.index + reach); at++) {
      if (nameOf(entries[at].job) !== held.name) continue;
      if (at !== held.index) {
        this.#space(this.below, this.below.height + Math.max(0, at - held.index) * height);
        scrollBy(0, (at - held.index) * height);
      }
      return;
    }
  }

  #key(event) {
    const page = Math.max(1, Math.floor(innerHeight / this.#height) - 3);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = [...this.#rows.values()].find((each) => each.tr === event.target.closest("tr"));
    if (!row) return;
    event.preventDefault();
    this.#focus(Math.min(this.#entries.length - 1, Math.max(0, row.index + step)));
  }

  #focus(index) {
    const height = this.#height, head = this.table.tHead.offsetHeight;
    const top = this.body.getBoundingClientRect().top + index * height;
    if (top < head) scrollBy(0, top - head);
    else if (top + height > innerHeight) scrollBy(0, top + height - innerHeight);
    const name = nameOf(this.#entries[index].job);
    this.#show(Math.max(0, index - BEYOND - 40), Math.min(this.#entries.length, index + BEYOND + 40), height);
    this.#rows.get(name).link.focus({ preventScroll: true });
    this.draw();
  }
}
