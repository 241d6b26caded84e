// The jobs that a page knows, newest first; told by news and by lists, which may come in any order. Pure.

const SETTLED_MS = 20000;

// One filter for what comes as news; scope.py has the same for what is listed.
export function fits(job, { state, client, language, text }) {
  if (state && job.state !== state) return false;
  if (client && job.client_id !== client) return false;
  if (language && (job.target_language ?? "").toLowerCase() !== language.toLowerCase()) return false;
  return !text || `${job.job_id}\n${job.title ?? ""}\n${job.video_url}`.toLowerCase().includes(text.toLowerCase());
}

export const nameOf = (job) => `${job.client_id}/${job.job_id}`;

function isBefore(a, b) {
  if (a.made_ms !== b.made_ms) return a.made_ms > b.made_ms;
  if (a.job.job_id !== b.job.job_id) return a.job.job_id > b.job.job_id;
  return a.job.client_id > b.job.client_id;
}

const placed = (job) => ({ job, made_ms: Date.parse(job.created_at) });

export class Known {
  #entries = new Map();
  #order = [];
  #turn = 0;
  #end = null; // of what is listed, unless it all is; news may come of older ones, which are not shown yet

  constructor(most) {
    this.most = most; // older ones are let go of
  }

  get size() {
    return this.#order.length;
  }

  // Those that no gap lies between.
  get listed() {
    return this.#end ? this.#order.slice(0, this.#placeOf(this.#end) + 1) : this.#order;
  }

  get(name) {
    return this.#entries.get(name);
  }

  // To be asked before a list is fetched, and given to `adopt` with what came.
  turn() {
    return ++this.#turn;
  }

  // Takes a document that was told at a time; returns its entry, or nothing if it is known or older.
  take(job, at_ms) {
    const name = nameOf(job), old = this.#entries.get(name);
    // a job may be forgotten, and another made of its name
    if (old && old.job.created_at === job.created_at && old.job.seq >= job.seq) return null;
    if (old && old.job.created_at > job.created_at) return null;
    return this.#put(name, job, at_ms);
  }

  // Takes a list from its beginning: what stands there is so, and what does not, down to its end, is no more; save what
  // was heard of since `turn`. Unless it `isWhole`, it goes on after its last job.
  adopt(jobs, at_ms, turn, { isWhole, isWanted }) {
    const told = new Set(jobs.map(nameOf));
    this.#end = isWhole || !jobs.length ? null : placed(jobs.at(-1));
    for (const entry of [...this.#order]) {
      const isBeyond = this.#end ? isBefore(this.#end, entry) : !isWhole;
      if (!isBeyond && entry.turn < turn && isWanted(entry.job) && !told.has(nameOf(entry.job))) this.#drop(entry);
    }
    for (const job of jobs) {
      const old = this.#entries.get(nameOf(job));
      // a Redis that was killed may have lost its last second: what is listed may stand further back
      if (!old || old.turn < turn) this.#put(nameOf(job), job, at_ms);
      else this.take(job, at_ms);
    }
  }

  // Lets go of what is not wanted, and was not spoken of just now: a list that is under way may know it as it was.
  prune(isWanted, now_ms) {
    for (const entry of [...this.#order]) {
      if (!isWanted(entry) && entry.at_ms < now_ms - SETTLED_MS) this.#drop(entry);
    }
  }

  // Takes a list's next page.
  append(jobs, at_ms, { isWhole }) {
    for (const job of jobs) this.take(job, at_ms);
    if (isWhole) this.#end = null;
    else if (jobs.length) this.#end = placed(jobs.at(-1));
  }

  clear() {
    this.#entries.clear();
    this.#order.length = 0;
    this.#end = null;
  }

  #put(name, job, at_ms) {
    let entry = this.#entries.get(name);
    if (entry && entry.job.created_at !== job.created_at) {
      this.#drop(entry);
      entry = undefined;
    }
    if (entry) {
      Object.assign(entry, { job, at_ms, turn: this.#turn });
      return entry;
    }
    entry = { ...placed(job), at_ms, turn: this.#turn };
    const at = this.#placeOf(entry);
    if (at >= this.most) return null;
    this.#entries.set(name, entry);
    this.#order.splice(at, 0, entry);
    if (this.#order.length > this.most) this.#drop(this.#order.at(-1));
    return this.#entries.get(name) ?? null;
  }

  #drop(entry) {
    this.#entries.delete(nameOf(entry.job));
    this.#order.splice(this.#placeOf(entry), 1);
  }

  #placeOf(entry) {
    let low = 0, high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.#order[middle], entry)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
