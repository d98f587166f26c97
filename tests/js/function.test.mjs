// The guestbook's function alone, with a map as its state: what it refuses and what it answers.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fromRoot } from "./endpoints.mjs";

// As text, because the folder belongs to an app and says nothing to Node about module types.
const source = await readFile(fromRoot("examples/guestbook/api/index.js"), "utf8");
const { default: api } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

function book() {
  const state = new Map();
  const KV = {
    get: async (key) => state.get(key) ?? null,
    put: async (key, value) => void state.set(key, value),
    delete: async (key) => void state.delete(key),
    list: async ({ prefix }) => [...state.keys()].filter((key) => key.startsWith(prefix)).sort(),
  };
  const send = (method, path, body) => api.fetch(new Request(`http://guestbook.localhost${path}`, { method, body }), { KV });
  return {
    get: (path) => send("GET", path),
    post: (body) => send("POST", "/api/entries", typeof body === "string" ? body : JSON.stringify(body)),
    send,
  };
}

test("entries are numbered and listed newest first", async () => {
  const { get, post } = book();
  for (const name of ["Ada", "Grace", "Barbara"]) assert.equal((await post({ name, message: "hello" })).status, 201);
  const { total, entries } = await (await get("/api/entries")).json();
  assert.equal(total, 3);
  assert.deepEqual(entries.map(({ number, name }) => [number, name]), [[3, "Barbara"], [2, "Grace"], [1, "Ada"]]);
  assert.deepEqual((await (await get("/api/entries?limit=1")).json()).entries.map(({ number }) => number), [3]);
});

test("older entries are read page by page", async () => {
  const { get, post } = book();
  for (const name of ["Ada", "Grace", "Barbara"]) await post({ name, message: "hello" });
  const numbers = async (query) => (await (await get(`/api/entries?${query}`)).json()).entries.map(({ number }) => number);
  assert.deepEqual(await numbers("limit=2&before=3"), [2, 1]);
  assert.deepEqual(await numbers("before=1"), []);
  assert.deepEqual(await numbers("before=99"), [3, 2, 1]);
  for (const before of ["0", "1.5", "many"]) assert.equal((await get(`/api/entries?before=${before}`)).status, 400, before);
});

test("a text may be as long as its limit and no longer", async () => {
  const { post } = book();
  const cases = [
    [{ name: "n".repeat(60), message: "m".repeat(500) }, 201],
    [{ name: "😀".repeat(60), message: "x" }, 201],
    [{ name: "n".repeat(61), message: "x" }, 400],
    [{ name: "x", message: "m".repeat(501) }, 400],
    [{ name: "  ", message: "x" }, 400],
    [{ name: "x", message: "" }, 400],
    [{ name: 7, message: "x" }, 400],
    [{ message: "x" }, 400],
    ["null", 400],
    ["{", 400],
    ["", 400],
  ];
  for (const [body, status] of cases) assert.equal((await post(body)).status, status, JSON.stringify(body).slice(0, 80));
});

test("a refusal is a problem that says what to change", async () => {
  const refused = await book().post({ name: "x".repeat(61), message: "hello" });
  assert.equal(refused.headers.get("content-type"), "application/problem+json");
  const { type, title, status, detail } = await refused.json();
  assert.deepEqual({ type, title, status }, { type: "urn:guestbook:invalid-entry", title: "invalid entry", status: 400 });
  assert.equal(detail, "name has 1 to 60 characters, this one has 61");
});

test("a limit outside 1 to 100 is refused", async () => {
  const { get } = book();
  for (const limit of ["0", "101", "-1", "1.5", "many"]) {
    assert.equal((await get(`/api/entries?limit=${limit}`)).status, 400, limit);
  }
  assert.equal((await get("/api/entries?limit=100")).status, 200);
});

test("other paths and methods are told apart", async () => {
  const { get, send } = book();
  assert.equal((await get("/api/other")).status, 404);
  const refused = await send("DELETE", "/api/entries");
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get("allow"), "GET, POST");
});
