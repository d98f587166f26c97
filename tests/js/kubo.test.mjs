// Kubo, built from its source by Go, and the node fetch blocks from each other.
//
// Part of the `clients` ring where there is Go: the first build takes some 200 CPU seconds. `node run.mjs kubo` runs it alone.
// `kubo/go.mod` takes quic-go and webtransport-go as go-libp2p 0.49 wants them: Kubo's own go.mod replaces go-libp2p by a fork.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { addToNode, digest, nodeFetches, nubes, parts, speed } from "./content.mjs";
import { exchangeAddresses, fromRoot, within } from "./endpoints.mjs";

const MIB = 1 << 20;
const SIZES = [1 << 10, 20 * MIB, 200 * MIB];
const READY_TIMEOUT_MS = 60_000;
const ENTRIES = 20_000;
const BINARY = fromRoot("target/tools/ipfs");
const run = promisify(execFile);

let folder, env, daemon, address;

before(async () => {
  if (!existsSync(BINARY)) {
    const args = ["build", "-o", BINARY, "github.com/ipfs/kubo/cmd/ipfs"];
    await run("go", args, { cwd: fromRoot("tests/js/kubo"), env: { ...process.env, GOFLAGS: "" } });
  }
  folder = await mkdtemp(join(tmpdir(), "nubes-kubo-"));
  env = { ...process.env, IPFS_PATH: join(folder, "repository") };
  // The profile `test` listens on loopback only and knows nobody.
  await ipfs("init", "--profile=test");
  await ipfs("config", "Routing.Type", "none");
  daemon = spawn(BINARY, ["daemon"], { env, stdio: ["ignore", "pipe", "inherit"] });
  await within(READY_TIMEOUT_MS, "Kubo's start", ready(daemon.stdout));
  const own = JSON.parse((await ipfs("id", "--enc=json")).toString());
  address = own.Addresses.find((each) => each.startsWith("/ip4/127.0.0.1/tcp/"));
  const node = exchangeAddresses().find((each) => each.includes("/tcp/") && !each.includes("/ws"));
  await ipfs("swarm", "connect", node);
});

after(async () => {
  if (daemon && daemon.exitCode === null) {
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
});

for (const bytes of SIZES) {
  test(`Kubo gets ${bytes} bytes from the node`, async (t) => {
    const cid = await addToNode("to kubo", bytes);
    const started = performance.now();
    const got = await ipfs("cat", cid);
    speed(t, bytes, started);
    assert.equal(digest([got]), digest(parts("to kubo", bytes)));
  });

  test(`Kubo adds ${bytes} bytes, the node fetches them`, async (t) => {
    const path = join(folder, `file${bytes}`);
    await writeFile(path, parts("to node from kubo", bytes));
    const cid = (await ipfs("add", "-Q", "--cid-version=1", path)).toString().trim();
    const started = performance.now();
    await nodeFetches(cid, address, digest(parts("to node from kubo", bytes)));
    speed(t, bytes, started);
  });
}

test(`Kubo gets a sharded folder of ${ENTRIES} files from the node`, async () => {
  const { cid } = await nubes("add", await many("node"));
  const back = join(folder, "back");
  // Many blocks at once; `get` alone asks for one after the other.
  await ipfs("pin", "add", cid);
  await ipfs("get", cid, "-o", back);
  for (const at of [0, 1, ENTRIES - 1]) assert.equal(await readFile(join(back, `node ${at}.txt`), "utf8"), `node ${at}.txt`);
});

test(`the node fetches a sharded folder of ${ENTRIES} files from Kubo`, async () => {
  const cid = (await ipfs("add", "-Q", "-r", "--cid-version=1", await many("kubo"))).toString().trim();
  const fetched = await nubes("fetch", cid, "--peer", address);
  assert.ok(fetched.fetchedBlocks > ENTRIES, `${fetched.fetchedBlocks} blocks`);
});

async function many(prefix) {
  const dir = join(folder, prefix);
  await mkdir(dir);
  for (let at = 0; at < ENTRIES; at += 1) await writeFile(join(dir, `${prefix} ${at}.txt`), `${prefix} ${at}.txt`);
  return dir;
}

async function ipfs(...args) {
  const { stdout } = await run(BINARY, args, { env, encoding: "buffer", maxBuffer: 1 << 29 });
  return stdout;
}

async function ready(output) {
  for await (const line of createInterface({ input: output })) {
    if (line.includes("Daemon is ready")) return output.resume();
  }
  throw new Error("Kubo ended before it was ready");
}
