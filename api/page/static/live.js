// The line on which news come: one EventSource, watched, and opened again whenever it is lost.
//
// A section that wants news makes one Line: `news(job, at_ms)` is called with every document that comes, `back()` each
// time the line is open. What was before is not told then, so `back` reads it: news that come meanwhile are newer by
// their `seq`. There is one line for a whole page, so that many tabs can be open: browsers allow six to a server.

import { now } from "./time.js";

const LONGEST_PAUSE_MS = 15000;
const OPENING_MS = 10000;
const PROBES = 6, PROBE_MS = 1500; // browsers keep so many connections to a server, and try them first, dead or not
const HIDDEN_MS = 60000; // a tab that nobody looks at gives its connection back

export class Line {
  #url; #news; #back; #source = null; #deaf; #retry; #failed = 0; #heard_ms = 0; #within_s = 15; #hidden; #ended = false;
  keepsHidden = false; // set it to go on listening while the tab is hidden, for notifications

  constructor(url, { news, back = () => {} }) {
    this.#url = url;
    this.#news = news;
    this.#back = back;
    this.#open();
    this.#deaf = setInterval(() => this.#watch(), 1000);
    document.addEventListener("visibilitychange", () => this.#visible());
    addEventListener("online", () => this.#source || this.#open());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.#open());
  }

  get isThere() {
    return !this.#ended;
  }

  // Wants no more news.
  end() {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#deaf);
    this.#close();
    show("");
  }

  #open() {
    if (this.#ended) return;
    this.#close();
    const source = new EventSource(this.#url);
    this.#source = source;
    this.#hear();
    source.onopen = () => {
      this.#failed = 0;
      this.#hear();
      show("live");
      this.#back();
    };
    source.onmessage = (event) => {
      this.#hear();
      this.#news(JSON.parse(event.data), now());
    };
    source.addEventListener("ping", (event) => {
      this.#within_s = Number(event.data) || 15;
      this.#hear();
    });
    source.onerror = () => {
      if (this.#ended || source !== this.#source) return;
      show("lost");
      if (source.readyState === EventSource.CLOSED) this.#refused();
    };
  }

  #close() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #hear() {
    this.#heard_ms = performance.now();
  }

  // An EventSource waits for ever on a line that was cut without a word; pings say that it is there.
  #watch() {
    if (!this.#source) return;
    const isOpen = this.#source.readyState === EventSource.OPEN;
    const patience_ms = isOpen ? (2 * this.#within_s + 1) * 1000 : OPENING_MS;
    if (performance.now() - this.#heard_ms < patience_ms) return;
    show("lost");
    this.#close();
    this.#probe();
  }

  // Uses all connections that the browser has kept, so that those that are dead are given up, and then opens a new line.
  async #probe() {
    const ask = () => fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(PROBE_MS) });
    await Promise.allSettled(Array.from({ length: PROBES }, ask));
    if (!this.#source) this.#open();
  }

  // It was answered, and with no stream: the session is over, the service is away, or there is nothing more to tell.
  async #refused() {
    this.#close();
    const answer = await fetch(this.#url, { headers: { Accept: "application/json" } }).catch(() => null);
    answer?.body?.cancel();
    if (answer?.status === 204) return this.end();
    if (answer?.status === 401) return location.reload();
    this.#failed += 1;
    const step_ms = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.#failed);
    this.#retry = setTimeout(() => this.#open(), step_ms * (1 + Math.random()) / 2);
  }

  #visible() {
    clearTimeout(this.#hidden);
    if (!document.hidden) {
      if (!this.#source && !this.#ended) this.#open();
    } else if (!this.keepsHidden) {
      this.#hidden = setTimeout(() => this.#close(), HIDDEN_MS);
    }
  }
}

function show(state) {
  const shown = document.getElementById("line");
  if (shown.dataset.state === state) return;
  shown.dataset.state = state;
  shown.hidden = !state;
  shown.classList.toggle("lost", state === "lost");
  shown.textContent = state === "lost" ? "Connection lost, trying again" : "Live";
  shown.setAttribute("role", "status");
}
