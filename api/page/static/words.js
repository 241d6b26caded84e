// How the page words what it shows; the same words as in views.py. Pure.

export function span(seconds) {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// For what is shown again each second: no decimals that flicker.
export function countdown(seconds) {
  return seconds < 9.5 ? `${Math.max(0, Math.round(seconds))} s` : span(seconds);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

export function clockTime(ms, now_ms) {
  return (Math.abs(ms - now_ms) < 12 * 3600e3 ? CLOCK : DAY).format(ms);
}

export function languages(job) {
  if (!job.target_language) return "";
  return job.source_language ? `${job.source_language} → ${job.target_language}` : job.target_language;
}

export const count = new Intl.NumberFormat("en").format;
