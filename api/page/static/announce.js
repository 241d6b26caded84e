// What is said to those who listen instead of looking: one sentence at a time, and not more often than they can bear.

const PAUSE_MS = 5000;
let next = "", timer = 0, last_ms = -PAUSE_MS;

// Says a sentence politely; of several within a few seconds, the last.
export function announce(sentence) {
  next = sentence;
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    last_ms = performance.now();
    document.getElementById("announcer").textContent = next;
  }, Math.max(0, last_ms + PAUSE_MS - performance.now()));
}
