// A chart of the last hour, a column a minute: stacked bars or areas, or lines. It has its figures in a table as well.

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 600, HIGH = 100; // of the drawing, which is stretched to the card

function make(name, attributes = {}, parent = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return parent ? parent.appendChild(made) : made;
}

function add(parent, name, className = "", text = "") {
  const made = parent.appendChild(document.createElement(name));
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

const ROUND = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

// The next higher number that is round, so that half of it is no odd one either.
function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ROUND.map((each) => each * power).find((each) => each >= value * (1 - 1e-9));
}

export class Chart {
  #figure; #kind; #series; #words; #svg; #high; #legend = []; #cursor; #table; #from; #minutes = []; #values = [];

  // `kind`: bars, areas or lines; `series`: [{ name, words, className }], the lowest first; `words` words a value.
  constructor(figure, { kind, series, words, least = 0 }) {
    this.#figure = figure;
    this.#kind = kind;
    this.#series = series;
    this.#words = words;
    this.least = least; // what the scale reaches at least
    this.#build();
  }

  // Takes [unix ms] and for each series its values, null where none is known.
  draw(minutes, values) {
    this.#minutes = minutes;
    this.#values = values;
    const stacked = this.#kind !== "lines";
    const tops = minutes.map((_, at) => {
      const here = values.map((each) => each[at] ?? 0);
      return stacked ? here.reduce((sum, each) => sum + each, 0) : Math.max(...here);
    });
    const top = roundUp(Math.max(this.least, ...tops));
    this.#high.textContent = this.#words(top);
    this.#from.textContent = minutes.length ? CLOCK.format(minutes[0]) : "";
    const below = minutes.map(() => 0);
    this.#series.forEach(({ path }, at) => {
      path.setAttribute("d", this.#path(values[at], below, top));
      if (stacked) values[at].forEach((value, minute) => (below[minute] += value ?? 0));
    });
    this.#svg.setAttribute("aria-label", this.#sentence());
    this.#tell(null);
    if (this.#table.open) this.#fill();
  }

  #build() {
    const plot = add(this.#figure, "div", "plot");
    this.#high = add(plot, "span", "high dim");
    this.#svg = make("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img" }, plot);
    for (const y of [0.5, HIGH / 2, HIGH - 0.5]) {
      make("line", { class: "grid", x1: 0, x2: WIDE, y1: y, y2: y }, this.#svg);
    }
    const isLine = this.#kind === "lines";
    for (const each of this.#series) {
      each.path = make("path", { class: `${isLine ? "of-line" : "of-area"} ${each.className}` }, this.#svg);
    }
    this.#cursor = make("line", { class: "cursor", y1: 0, y2: HIGH, visibility: "hidden" }, this.#svg);
    const times = add(this.#figure, "div", "times dim");
    this.#from = add(times, "span");
    this.#legend.at = add(times, "span", "", "now");
    const below = add(this.#figure, "div", "below"), legend = add(below, "div", "legend dim");
    for (const each of this.#series) {
      const entry = add(legend, "span");
      add(entry, "i", `key ${each.className}`);
      entry.append(`${each.words} `);
      this.#legend.push(add(entry, "b"));
    }
    this.#table = add(below, "details", "as-table");
    add(this.#table, "summary", "", "Figures");
    this.#table.addEventListener("toggle", () => this.#table.open && this.#fill());
    plot.addEventListener("pointermove", (event) => this.#tell(this.#minuteAt(event)));
    plot.addEventListener("pointerleave", () => this.#tell(null));
  }

  #minuteAt(event) {
    const { left, width } = this.#svg.getBoundingClientRect();
    const at = Math.floor(((event.clientX - left) / width) * this.#minutes.length);
    return Math.max(0, Math.min(this.#minutes.length - 1, at));
  }

  // Says in the legend what one minute had; of none, the last that is known.
  #tell(at) {
    const shown = at ?? this.#minutes.length - 1;
    this.#series.forEach((_, index) => {
      const value = this.#values[index]?.[shown];
      this.#legend[index].textContent = value === null || value === undefined ? "–" : this.#words(value);
    });
    this.#legend.at.textContent = at === null ? "now" : CLOCK.format(this.#minutes[at]);
    const x = ((shown + 0.5) * WIDE) / this.#minutes.length;
    this.#cursor.setAttribute("visibility", at === null ? "hidden" : "visible");
    this.#cursor.setAttribute("x1", x);
    this.#cursor.setAttribute("x2", x);
  }

  #path(values, below, top) {
    const step = WIDE / values.length, y = (value) => (HIGH - (HIGH * value) / top).toFixed(2);
    if (this.#kind === "bars") {
      const bar = (value, at) => value
        ? `M${(at * step + step * 0.1).toFixed(2)} ${y(below[at])}V${y(below[at] + value)}h${(step * 0.8).toFixed(2)}V${y(below[at])}z`
        : "";
      return values.map(bar).join("");
    }
    if (this.#kind === "areas") {
      const area = (value, at) => value
        ? `M${(at * step).toFixed(2)} ${y(below[at])}V${y(below[at] + value)}h${step.toFixed(2)}V${y(below[at])}z`
        : "";
      return values.map(area).join("");
    }
    let isOpen = false, path = "";
    values.forEach((value, at) => {
      const x = ((at + 0.5) * step).toFixed(2), known = value !== null && value !== undefined;
      if (known) path += isOpen ? `L${x} ${y(value)}` : `M${(Number(x) - 0.01).toFixed(2)} ${y(value)}L${x} ${y(value)}`;
      isOpen = known;
    });
    return path;
  }

  #sentence() {
    const parts = this.#series.map(({ words }, at) => {
      const known = this.#values[at].filter((each) => each !== null && each !== undefined);
      if (!known.length) return `${words}: not known`;
      return `${words}: ${this.#words(known.at(-1))} now, ${this.#words(Math.max(...known))} at most`;
    });
    return `The last hour. ${parts.join("; ")}.`;
  }

  #fill() {
    this.#table.querySelector("table")?.remove();
    const table = add(this.#table, "table", "figures"), head = add(add(table, "thead"), "tr");
    for (const words of ["Minute", ...this.#series.map((each) => each.words)]) add(head, "th", "", words).scope = "col";
    const body = add(table, "tbody");
    for (let at = this.#minutes.length - 1; at >= 0; at -= 1) {
      if (this.#values.every((each) => each[at] === null || each[at] === undefined)) continue;
      const row = add(body, "tr");
      add(row, "th", "", CLOCK.format(this.#minutes[at])).scope = "row";
      for (const each of this.#values) add(row, "td", "", each[at] === null ? "–" : this.#words(each[at] ?? 0));
    }
  }
}
