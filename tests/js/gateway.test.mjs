// IPFS clients, unmodified, against the gateway. Whatever they show here was checked against its hash by them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { withHTTP } from "@helia/http";
import { createVerifiedFetchWithHelia } from "@helia/verified-fetch";
import { createHeliaLight } from "helia";
import { endpoint, gatewayUrl } from "./endpoints.mjs";

const FETCH_TIMEOUT_MS = 120_000;
const LARGE_BYTES = 60 << 20;
const PAGE = "<!doctype html><meta charset=utf-8><title>hash me</title>";
const run = promisify(execFile);

let folder, site, helia, verifiedFetch, root;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nubes-gateway-"));
  site = join(folder, "site");
  await mkdir(join(site, "nested"), { recursive: true });
  await writeFile(join(site, "index.html"), PAGE);
  await writeFile(join(site, "nested", "grüße ☁.txt"), "hello\n");
  await writeFile(join(site, "empty"), "");
  await writeLarge(join(site, "large.bin"));
  root = await add(site);
  const options = { recursiveGateways: [gatewayUrl()], delegatedRouters: [gatewayUrl()], allowLocal: true, allowInsecure: true };
  helia = await withHTTP(createHeliaLight(), options).start();
  verifiedFetch = await createVerifiedFetchWithHelia(helia);
});

after(async () => {
  await verifiedFetch?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("the address that nubes gives is the one that ipfs-car gives", async () => {
  const car = join(folder, "packed.car");
  const { stdout } = await ipfsCar("pack", site, "--no-wrap", "--output", car);
  assert.equal(stdout.trim(), root);
});

test("verified-fetch reads a page and a name that is not ASCII", async () => {
  const page = await fetchVerified("index.html");
  assert.equal(page.status, 200);
  assert.equal(await page.text(), PAGE);
  const greeting = await fetchVerified(`nested/${encodeURIComponent("grüße ☁.txt")}`);
  assert.equal(await greeting.text(), "hello\n");
});

test("verified-fetch reads 60 MiB block by block", async () => {
  const answer = await fetchVerified("large.bin");
  assert.equal(answer.status, 200);
  assert.equal(await sha256(Readable.fromWeb(answer.body)), await sha256(createReadStream(join(site, "large.bin"))));
});

test("a CAR from the gateway verifies and unpacks to the same files", async () => {
  const car = join(folder, "fetched.car");
  const answer = await fetch(`${gatewayUrl()}/ipfs/${root}?format=car`, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-type"), /^application\/vnd\.ipld\.car/);
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(car));
  assert.equal((await ipfsCar("roots", car)).stdout.trim(), root);
  const blocks = (await ipfsCar("blocks", car, "--verify")).stdout.trim().split("\n");
  assert.ok(blocks.length > LARGE_BYTES >> 20, `only ${blocks.length} blocks`);
  const unpacked = join(folder, "unpacked");
  await ipfsCar("unpack", car, "--output", unpacked);
  assert.equal(await readFile(join(unpacked, "index.html"), "utf8"), PAGE);
  assert.equal(await sha256(createReadStream(join(unpacked, "large.bin"))), await sha256(createReadStream(join(site, "large.bin"))));
});

test("an address that nobody stored is not found, and no other content comes in its place", async () => {
  const unknown = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
  const answer = await fetch(`${gatewayUrl()}/ipfs/${unknown}?format=raw`, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  assert.ok([404, 504].includes(answer.status), `status ${answer.status}`);
});

function fetchVerified(path) {
  const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  return verifiedFetch(`ipfs://${root}/${path}`, { signal, allowLocal: true, allowInsecure: true });
}

async function add(path) {
  const { stdout } = await run(endpoint("NUBES_BIN"), ["add", path, "--json", "--node", gatewayUrl()]);
  return JSON.parse(stdout.trim().split("\n").at(-1)).cid;
}

function ipfsCar(...args) {
  const program = fileURLToPath(new URL("node_modules/ipfs-car/bin.js", import.meta.url));
  return run(process.execPath, [program, ...args], { maxBuffer: 16 << 20 });
}

// Not random: a failure shows the same address again. Not zeros: no two blocks are equal.
async function writeLarge(path) {
  const file = createWriteStream(path);
  for (let mebibyte = 0; mebibyte < LARGE_BYTES >> 20; mebibyte += 1) {
    const seed = createHash("sha256").update(`block ${mebibyte}`).digest();
    if (!file.write(Buffer.alloc(1 << 20, seed))) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}

async function sha256(stream) {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}
