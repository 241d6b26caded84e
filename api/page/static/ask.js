// Asking the API, in the name of whoever is signed in; the admin's modules say for whom.

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the service answered ${status}`);
    this.status = status;
    this.errors = problem.errors ?? [];
    this.code = problem.code;
  }
}

// Returns the answer's JSON. Throws a Refusal, also where nobody answers, or not within the time that there is.
export async function ask(method, path, { body, client, within_ms } = {}) {
  const headers = { Accept: "application/json" };
  if (client && client !== document.body.dataset.client) headers["X-Client-Id"] = client;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer, said;
  try {
    const signal = within_ms ? AbortSignal.timeout(within_ms) : undefined;
    answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    said = answer.status === 204 ? null : await answer.json();
  } catch {
    throw new Refusal(0, { detail: "The service cannot be reached just now" });
  }
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Refusal(answer.status, said);
  return said;
}
