// The service's clock, as far as this machine's is not the same; and frames: what is to be drawn is drawn once for each.

const AHEAD_MS = Number(document.body.dataset.now) - Date.now();
const OFF_MS = Math.abs(AHEAD_MS) > 2000 ? AHEAD_MS : 0; // less is the time that the page took to come

// Unix milliseconds by the service's clock.
export function now() {
  return Date.now() + OFF_MS;
}

// Returns a function that has `draw` called before the next frame, however often it is called until then.
export function framed(draw) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      draw();
    });
  };
}

// Returns a function that has `act` called at once, and once more at the end of a pause in which it was called again.
export function spaced(act, pause_ms) {
  let isResting = false, isAsked = false;
  return function ask() {
    if (isResting) {
      isAsked = true;
      return;
    }
    isResting = true;
    act();
    setTimeout(() => {
      isResting = false;
      if (isAsked) {
        isAsked = false;
        ask();
      }
    }, pause_ms);
  };
}
