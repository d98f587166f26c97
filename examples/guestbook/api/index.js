// The book's entries, kept in the app's key-value state. A request is one transaction: two visitors who write at the
// same moment get two numbers.

const NAME_CHARS_MAX = 60;
const MESSAGE_CHARS_MAX = 500;
const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 100;
const COUNT_KEY = "count";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname !== "/api/entries") return problem(404, "unknown-path", `nothing is at ${url.pathname}`);
    if (request.method === "GET") return list(url.searchParams, env.KV);
    if (request.method === "POST") return add(request, env.KV);
    const headers = { allow: "GET, POST" };
    return problem(405, "unknown-method", `entries are read with GET and added with POST, not ${request.method}`, headers);
  },
};

async function list(query, store) {
  const limit = Number(query.get("limit") ?? LIMIT_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    return problem(400, "invalid-limit", `limit is a whole number from 1 to ${LIMIT_MAX}`);
  }
  const total = await count(store);
  const before = Number(query.get("before") ?? total + 1);
  if (!Number.isInteger(before) || before < 1) {
    return problem(400, "invalid-before", "before is the number of an entry, at least 1");
  }
  const newest = Math.min(total, before - 1);
  const entries = [];
  for (let number = newest; number > 0 && number > newest - limit; number -= 1) {
    entries.push(JSON.parse(await store.get(key(number))));
  }
  return Response.json({ total, entries });
}

async function add(request, store) {
  const { entry, reason } = read(await request.text());
  if (reason) return problem(400, "invalid-entry", reason);
  const number = (await count(store)) + 1;
  const written = { number, ...entry, at: new Date().toISOString() };
  await store.put(key(number), JSON.stringify(written));
  await store.put(COUNT_KEY, String(number));
  return Response.json(written, { status: 201 });
}

function read(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return { reason: "the body is not JSON" };
  }
  const name = field(body?.name, "name", NAME_CHARS_MAX);
  const message = field(body?.message, "message", MESSAGE_CHARS_MAX);
  const reason = name.reason ?? message.reason;
  return reason ? { reason } : { entry: { name: name.text, message: message.text } };
}

function field(value, label, charsMax) {
  if (typeof value !== "string") return { reason: `${label} must be a text` };
  const text = value.trim();
  // Counted as people do: an emoji outside the basic plane is one character, not two.
  const chars = [...text].length;
  if (chars < 1 || chars > charsMax) return { reason: `${label} has 1 to ${charsMax} characters, this one has ${chars}` };
  return { text };
}

async function count(store) {
  return Number((await store.get(COUNT_KEY)) ?? 0);
}

// Padded, so that keys sort as their numbers do.
function key(number) {
  return `entry/${String(number).padStart(12, "0")}`;
}

function problem(status, type, detail, headers = {}) {
  const title = type.replaceAll("-", " ");
  const body = { type: `urn:guestbook:${type}`, title, status, detail };
  return Response.json(body, { status, headers: { "content-type": "application/problem+json", ...headers } });
}
