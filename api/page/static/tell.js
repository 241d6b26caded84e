// The browser's own notifications: whether this person wants them here, and telling of a job that has ended.

import { languages } from "./words.js";

const WANTED = "dubq.tells";
const WORDS = { completed: "Completed", error: "Failed", cancelled: "Cancelled" };

// What stands: unsupported, denied (by the browser, for this site), off, or on.
export function standing() {
  if (!("Notification" in window)) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return localStorage.getItem(WANTED) && Notification.permission === "granted" ? "on" : "off";
}

// To be called when a button was pressed: only then may a page ask.
export async function turnOn() {
  if ((await Notification.requestPermission()) === "granted") localStorage.setItem(WANTED, "1");
  return standing();
}

export function turnOff() {
  localStorage.removeItem(WANTED);
  return standing();
}

// Tells of a job that has just ended, if nobody looks. Several tabs tell once: they use one tag.
export function tell(job) {
  if (!document.hidden || standing() !== "on") return;
  const what = `${WORDS[job.state] ?? job.state}: ${job.title || job.job_id}`;
  const more = [languages(job), job.error?.message].filter(Boolean).join(" · ");
  const told = new Notification(what, { body: more, tag: `${job.client_id}/${job.job_id}/${job.seq}` });
  told.addEventListener("click", () => {
    window.focus();
    location.assign(`/page/jobs/${job.job_id}?client=${job.client_id}`);
  });
}
