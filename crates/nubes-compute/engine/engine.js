// The Web-standard surface around QuickJS, and the loader of the app's own source.
import { source, config, hasState, log, now, random } from "nubes:engine/app@0.1.0";
import { get, set, delete as remove, keys } from "nubes:engine/state@0.1.0";

class TextEncoder {
  get encoding() { return "utf-8"; }
  encode(text = "") {
    const bytes = [];
    for (const char of String(text)) {
      let code = char.codePointAt(0);
      if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return Uint8Array.from(bytes);
  }
}

class TextDecoder {
  #fatal;
  constructor(label = "utf-8", { fatal = false } = {}) {
    if (!["utf-8", "utf8"].includes(String(label).toLowerCase())) throw new RangeError(`encoding ${label} is not supported`);
    this.#fatal = fatal;
  }
  get encoding() { return "utf-8"; }
  decode(input = new Uint8Array()) {
    const bytes = toBytes(input);
    const parts = [];
    let text = "";
    for (let at = 0; at < bytes.length;) {
      const [code, length] = decodeOne(bytes, at);
      if (code === undefined && this.#fatal) throw new TypeError("the bytes are not UTF-8");
      text += String.fromCodePoint(code ?? 0xfffd);
      at += length;
      if (text.length > 8192) { parts.push(text); text = ""; }
    }
    parts.push(text);
    return parts.join("").replace(/^\ufeff/, "");
  }
}

// One code point at `at`, or undefined with the length of the maximal invalid part (Unicode, "U+FFFD substitution").
function decodeOne(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const need = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
  if (need === 0) return [undefined, 1];
  let low = 0x80, high = 0xbf;
  if (first === 0xe0) low = 0xa0;
  if (first === 0xed) high = 0x9f;
  if (first === 0xf0) low = 0x90;
  if (first === 0xf4) high = 0x8f;
  let code = first & (0x3f >> need);
  for (let step = 1; step <= need; step += 1) {
    const next = bytes[at + step];
    if (next === undefined || next < low || next > high) return [undefined, step];
    code = (code << 6) | (next & 0x3f);
    low = 0x80;
    high = 0xbf;
  }
  return [code, need + 1];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function toBytes(body) {
  if (body === null || body === undefined) return new Uint8Array();
  if (typeof body === "string") return encoder.encode(body);
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (body instanceof URLSearchParams) return encoder.encode(body.toString());
  return encoder.encode(String(body));
}

class Headers {
  #map = new Map();
  constructor(init = []) {
    const pairs = init instanceof Headers ? init.entries() : typeof init?.[Symbol.iterator] === "function" ? init : Object.entries(init ?? {});
    for (const [name, value] of pairs) this.append(name, value);
  }
  static #name(name) {
    name = String(name).toLowerCase();
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) throw new TypeError(`invalid header name ${JSON.stringify(name)}`);
    return name;
  }
  static #value(value) {
    value = String(value).trim();
    if (/[\0\r\n]/.test(value)) throw new TypeError("invalid header value");
    return value;
  }
  append(name, value) {
    name = Headers.#name(name);
    const values = this.#map.get(name) ?? [];
    values.push(Headers.#value(value));
    this.#map.set(name, values);
  }
  set(name, value) { this.#map.set(Headers.#name(name), [Headers.#value(value)]); }
  get(name) { return this.#map.get(Headers.#name(name))?.join(", ") ?? null; }
  getSetCookie() { return [...(this.#map.get("set-cookie") ?? [])]; }
  has(name) { return this.#map.has(Headers.#name(name)); }
  delete(name) { this.#map.delete(Headers.#name(name)); }
  forEach(call, self) { for (const [name, value] of this) call.call(self, value, name, this); }
  *entries() {
    for (const name of [...this.#map.keys()].sort()) {
      if (name === "set-cookie") for (const value of this.#map.get(name)) yield [name, value];
      else yield [name, this.get(name)];
    }
  }
  *keys() { for (const [name] of this.entries()) yield name; }
  *values() { for (const [, value] of this.entries()) yield value; }
  [Symbol.iterator]() { return this.entries(); }
}

const decodeForm = (text) => decodeURIComponent(text.replaceAll("+", " ").replace(/%(?![0-9a-fA-F]{2})/g, "%25"));
const encodeForm = (text) =>
  encodeURIComponent(text).replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`).replaceAll("%20", "+");

class URLSearchParams {
  #pairs = [];
  #changed;
  constructor(init = "", changed = () => {}) {
    this.#changed = changed;
    if (typeof init === "string") {
      for (const part of init.replace(/^\?/, "").split("&").filter(Boolean)) {
        const at = part.indexOf("=");
        this.#pairs.push(at < 0 ? [decodeForm(part), ""] : [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + 1))]);
      }
    } else {
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this.#pairs.push([String(name), String(value)]);
    }
  }
  get size() { return this.#pairs.length; }
  get(name) { return this.#pairs.find(([key]) => key === name)?.[1] ?? null; }
  getAll(name) { return this.#pairs.filter(([key]) => key === name).map(([, value]) => value); }
  has(name) { return this.#pairs.some(([key]) => key === name); }
  append(name, value) { this.#pairs.push([String(name), String(value)]); this.#changed(this.toString()); }
  delete(name) { this.#pairs = this.#pairs.filter(([key]) => key !== name); this.#changed(this.toString()); }
  set(name, value) {
    const at = this.#pairs.findIndex(([key]) => key === name);
    if (at < 0) return this.append(name, value);
    this.#pairs = this.#pairs.filter(([key], index) => key !== name || index === at);
    this.#pairs[at][1] = String(value);
    this.#changed(this.toString());
  }
  sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(this.toString()); }
  forEach(call, self) { for (const [name, value] of this) call.call(self, value, name, this); }
  *entries() { yield* this.#pairs.map((pair) => [...pair]); }
  *keys() { for (const [name] of this.#pairs) yield name; }
  *values() { for (const [, value] of this.#pairs) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map((pair) => pair.map(encodeForm).join("=")).join("&"); }
}

// http(s) URLs: what a request handler meets. Other schemes are refused.
class URL {
  #parts;
  #params;
  constructor(text, base) {
    text = String(text).trim();
    if (base !== undefined && !/^[a-z][a-z0-9+.-]*:/i.test(text)) {
      const root = new URL(base);
      if (text.startsWith("//")) text = root.protocol + text;
      else if (text.startsWith("/")) text = root.origin + text;
      else if (text.startsWith("?")) text = root.origin + root.pathname + text;
      else if (text.startsWith("#")) text = root.origin + root.pathname + root.search + text;
      else text = root.origin + root.pathname.replace(/[^/]*$/, "") + text;
    }
    const match = /^(https?):\/\/(?:([^/?#@]*)@)?(\[[0-9a-f:.]+\]|[^/?#:@\s]+)(?::(\d{1,5}))?([^?#]*)(\?[^#]*)?(#.*)?$/i.exec(text);
    if (!match) throw new TypeError(`invalid URL ${JSON.stringify(text)}`);
    const [, scheme, login = "", host, port = "", path, query = "", hash = ""] = match;
    const protocol = `${scheme.toLowerCase()}:`;
    const standard = { "http:": "80", "https:": "443" }[protocol];
    const [username, password = ""] = login.split(":");
    this.#parts = { protocol, username, password, hostname: host.toLowerCase(), port: port === standard ? "" : port, pathname: tidy(path), search: query === "?" ? "" : query, hash: hash === "#" ? "" : hash };
  }
  static canParse(text, base) { try { new URL(text, base); return true; } catch { return false; } }
  get protocol() { return this.#parts.protocol; }
  get username() { return this.#parts.username; }
  get password() { return this.#parts.password; }
  get hostname() { return this.#parts.hostname; }
  get port() { return this.#parts.port; }
  get host() { return this.#parts.port ? `${this.#parts.hostname}:${this.#parts.port}` : this.#parts.hostname; }
  get origin() { return `${this.#parts.protocol}//${this.host}`; }
  get pathname() { return this.#parts.pathname; }
  set pathname(path) { this.#parts.pathname = tidy(path.startsWith("/") ? path : `/${path}`); }
  get search() { return this.#parts.search; }
  set search(text) {
    const query = String(text).replace(/^\?/, "");
    this.#parts.search = query ? `?${query}` : "";
    this.#params = undefined;
  }
  get hash() { return this.#parts.hash; }
  get searchParams() {
    this.#params ??= new URLSearchParams(this.#parts.search, (query) => { this.#parts.search = query ? `?${query}` : ""; });
    return this.#params;
  }
  get href() {
    const { username, password } = this.#parts;
    const login = username ? `${username}${password ? `:${password}` : ""}@` : "";
    return `${this.#parts.protocol}//${login}${this.host}${this.#parts.pathname}${this.#parts.search}${this.#parts.hash}`;
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
}

function tidy(path) {
  const out = [];
  const names = path.split("/").slice(1);
  names.forEach((name, index) => {
    const dot = name.toLowerCase().replaceAll("%2e", ".");
    const last = index === names.length - 1;
    if (dot === "..") { out.pop(); if (last) out.push(""); }
    else if (dot === ".") { if (last) out.push(""); }
    else out.push(name.replace(/[\s"<>`{}]/g, encodeURIComponent));
  });
  return `/${out.join("/")}`;
}

class Body {
  #bytes;
  #used = false;
  constructor(body) { this.#bytes = toBytes(body); }
  get bodyUsed() { return this.#used; }
  #take() {
    if (this.#used) throw new TypeError("the body has been read already");
    this.#used = true;
    return this.#bytes;
  }
  async bytes() { return this.#take(); }
  async arrayBuffer() { return this.#take().slice().buffer; }
  async text() { return decoder.decode(this.#take()); }
  async json() { return JSON.parse(await this.text()); }
  async formData() {
    const type = this.headers.get("content-type") ?? "";
    if (!type.startsWith("application/x-www-form-urlencoded")) throw new TypeError("only URL-encoded forms can be read");
    return new URLSearchParams(await this.text());
  }
  static copy(body) { return body.#bytes; }
}

class Request extends Body {
  constructor(input, init = {}) {
    const old = input instanceof Request ? input : undefined;
    super(init.body ?? (old && Body.copy(old)));
    this.url = old ? old.url : new URL(input).href;
    this.method = String(init.method ?? old?.method ?? "GET").toUpperCase();
    this.headers = new Headers(init.headers ?? old?.headers);
  }
  clone() { return new Request(this); }
}

const NULL_BODY = [101, 204, 205, 304];

class Response extends Body {
  constructor(body = null, init = {}) {
    const status = init.status ?? 200;
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`status ${status} is out of range`);
    if (body !== null && body !== undefined && NULL_BODY.includes(status)) throw new TypeError(`a response with status ${status} has no body`);
    super(body);
    this.status = status;
    this.statusText = String(init.statusText ?? "");
    this.headers = new Headers(init.headers);
    if (!this.headers.has("content-type")) {
      if (typeof body === "string") this.headers.set("content-type", "text/plain;charset=UTF-8");
      if (body instanceof URLSearchParams) this.headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    }
  }
  get ok() { return this.status >= 200 && this.status < 300; }
  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return new Response(JSON.stringify(data), { ...init, headers });
  }
  static redirect(url, status = 302) { return new Response(null, { status, headers: { location: String(url) } }); }
  static error() { return new Response(null, { status: 500 }); }
  clone() { return new Response(Body.copy(this), this); }
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
function btoa(text) {
  const codes = [...String(text)].map((c) => c.charCodeAt(0));
  if (codes.some((code) => code > 255)) throw new RangeError("btoa takes characters up to 255");
  let out = "";
  for (let at = 0; at < codes.length; at += 3) {
    const bits = (codes[at] << 16) | ((codes[at + 1] ?? 0) << 8) | (codes[at + 2] ?? 0);
    for (let step = 0; step < 4; step += 1) out += at + step > codes.length ? "=" : BASE64[(bits >> (18 - 6 * step)) & 63];
  }
  return out;
}
function atob(text) {
  const clean = String(text).replace(/[\t\n\f\r ]/g, "").replace(/={1,2}$/, "");
  if (clean.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(clean)) throw new RangeError("not base64");
  let out = "", bits = 0, count = 0;
  for (const char of clean) {
    bits = ((bits << 6) | BASE64.indexOf(char)) & 0xffffff;
    count += 6;
    if (count >= 8) { count -= 8; out += String.fromCharCode((bits >> count) & 255); }
  }
  return out;
}

function structuredClone(value, seen = new Map()) {
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError("the value cannot be cloned");
  if (value === null || typeof value !== "object") return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (copy) => (seen.set(value, copy), copy);
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (ArrayBuffer.isView(value)) return keep(value.slice());
  if (value instanceof Map) { const copy = keep(new Map()); for (const [k, v] of value) copy.set(structuredClone(k, seen), structuredClone(v, seen)); return copy; }
  if (value instanceof Set) { const copy = keep(new Set()); for (const v of value) copy.add(structuredClone(v, seen)); return copy; }
  const copy = keep(Array.isArray(value) ? [] : {});
  for (const key of Object.keys(value)) copy[key] = structuredClone(value[key], seen);
  return copy;
}

function show(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value}\n${value.stack ?? ""}`.trim();
  try { return JSON.stringify(value) ?? String(value); } catch { return String(value); }
}
const logger = (level) => (...values) => log(level, values.map(show).join(" "));
const console = { debug: logger("debug"), log: logger("info"), info: logger("info"), warn: logger("warn"), error: logger("error"), trace: logger("debug") };

const crypto = {
  getRandomValues(view) {
    if (view.byteLength > 65536) throw new RangeError("at most 65,536 bytes at once");
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(random(view.byteLength));
    return view;
  },
  randomUUID() {
    const bytes = Uint8Array.from(random(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  },
};

// Time and chance come from the host, so that it can make a run repeatable.
const RealDate = Date;
class HostDate extends RealDate {
  constructor(...parts) { if (parts.length === 0) super(now()); else super(...parts); }
  static now() { return now(); }
}
const hostRandom = () => {
  const [a, b, c, d, e, f, g] = random(7);
  return (a + 256 * (b + 256 * (c + 256 * (d + 256 * (e + 256 * (f + 256 * (g & 31))))))) / 2 ** 53;
};

// A limit that was met arrives as text; here it becomes an error whose stack names the app's line.
function onState(call, ...parts) {
  try { return call(...parts); } catch (text) { throw new RangeError(String(text?.payload ?? text?.message ?? text)); }
}
const found = (value) => (value === undefined || value === null ? null : Uint8Array.from(value));
const KV = {
  async get(key) { const value = found(onState(get, String(key))); return value && decoder.decode(value); },
  async getBytes(key) { return found(onState(get, String(key))); },
  async put(key, value) { onState(set, String(key), toBytes(value)); },
  async delete(key) { onState(remove, String(key)); },
  async list({ prefix = "" } = {}) { return onState(keys, String(prefix)); },
};

let app;
function load() {
  Object.assign(globalThis, { TextEncoder, TextDecoder, Headers, URL, URLSearchParams, Request, Response, btoa, atob, structuredClone, console, crypto, Date: HostDate });
  globalThis.performance = { now: () => now() };
  globalThis.fetch = async () => { throw new TypeError("fetch is not allowed: this function has no outgoing access"); };
  Math.random = hostRandom;
  const text = source();
  const statement = /^[ \t]*(import\b(?!\s*[.(])|export\b(?!\s+default\b)).*$/m.exec(text);
  if (statement) throw new SyntaxError(`${statement[0].trim()}: a function is one file; only \`export default\` is allowed`);
  // No line is added, so that stacks point into the app's own file. Modules are strict.
  const script = `"use strict";${text.replace(/^[ \t]*export\s+default\b/m, "globalThis.__nubes_app =")}`;
  (0, eval)(script);
  if (typeof globalThis.__nubes_app?.fetch !== "function") throw new TypeError("the file must `export default` an object with a `fetch` function");
  return globalThis.__nubes_app;
}

// An uncaught exception reaches the host as text: what and where in the first line, then the stack.
export async function handle(request) {
  try {
    return await answer(request);
  } catch (error) {
    if (!(error instanceof Error)) throw String(error);
    // The app's own file has no name but this.
    const line = /<input>:(\d+)/.exec(error.stack ?? "")?.[1];
    throw `${error.name}: ${error.message}${line ? ` (line ${line})` : ""}\n${error.stack ?? ""}`;
  }
}

async function answer(request) {
  app ??= load();
  const env = Object.fromEntries(config());
  if (hasState()) env.KV = KV;
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  const init = { method: request.method, headers: request.headers, body: hasBody ? Uint8Array.from(request.body) : undefined };
  const response = await app.fetch(new Request(request.url, init), env);
  if (!(response instanceof Response)) throw new TypeError("fetch must return a Response");
  return { status: response.status, headers: [...response.headers], body: await response.bytes() };
}
