// Files that are the same in each run and like no other, and what was got of them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { endpoint, gatewayUrl } from "./endpoints.mjs";

const PART_BYTES = 1 << 20;
const run = promisify(execFile);

// Deterministic bytes: each part is the stream of hashes of its seed and number.
export function* parts(seed, bytes) {
  for (let made = 0; made < bytes; made += PART_BYTES) {
    const part = Buffer.alloc(Math.min(PART_BYTES, bytes - made));
    let block = createHash("sha256").update(`${seed} ${made}`).digest();
    for (let at = 0; at < part.length; at += block.length) {
      block.copy(part, at);
      block.writeUInt32LE(at, 0);
      if (at % 4096 === 0) block = createHash("sha256").update(block).digest();
    }
    yield part;
  }
}

export function digest(chunks) {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

export async function digestOf(stream) {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}

// A folder that is gone after `use`.
export async function withFolder(use) {
  const folder = await mkdtemp(join(tmpdir(), "nubes-exchange-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// Runs the binary under test against the node under test.
export async function nubes(...args) {
  const all = [...args, "--node", gatewayUrl(), "--json"];
  const { stdout } = await run(endpoint("NUBES_BIN"), all, { maxBuffer: 1 << 24 });
  return JSON.parse(stdout);
}

// Gives the node a file of its own and returns its CID.
export async function addToNode(seed, bytes) {
  return withFolder(async (folder) => {
    const path = join(folder, "file");
    await pipeline(Readable.from(parts(seed, bytes)), createWriteStream(path));
    return (await nubes("add", path)).cid;
  });
}

// Has the node fetch from a peer, and compares what its gateway then serves.
export async function nodeFetches(cid, address, expected) {
  const fetched = await nubes("fetch", cid, "--peer", address);
  assert.ok(fetched.fetchedBlocks > 0, "it was there already");
  // By number: the name `localhost` would send us on to a host of the content's own.
  const answer = await fetch(`${gatewayUrl().replace("localhost", "127.0.0.1")}/ipfs/${cid}`);
  assert.equal(answer.status, 200);
  assert.equal(await digestOf(answer.body), expected);
  return fetched;
}

// A line on the speed of what was moved, for whoever reads the log.
export function speed(t, bytes, started) {
  const seconds = (performance.now() - started) / 1000;
  // Three digits: a block or 20,000 tiny files are far below one MiB/s.
  t.diagnostic(`${(bytes / (1 << 20) / seconds).toPrecision(3)} MiB/s`);
}
