// What IPFS users do all day, beside Kubo: adding one large file and many small ones, getting, and transfer between peers, that
// one beside Helia too.
//   Kubo is target/tools/ipfs, which `node tests/js/run.mjs kubo` builds; IPFS_BIN names another.
//   Helia is that of tests/js, two processes of Node.js over TCP. It keeps its blocks in memory, and its time has no start of a
//   command in it: both are in its favour.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { binary, cloud, median, root, run, stop } from "./process.mjs";

const kubo = process.env.IPFS_BIN ?? root("target/tools/ipfs");
const ROUNDS = 3;
const FILES = 10_000;
const MIB = 1 << 20;
const TRANSFER_MIB = 256;

async function fill(path, mib) {
  const file = await open(path, "w");
  for (let index = 0; index < mib; index += 1) await file.write(randomBytes(MIB));
  await file.close();
}

async function seconds(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
}

// A daemon of its own that knows nobody.
async function daemon(dir) {
  const env = { ...process.env, IPFS_PATH: dir };
  const ipfs = (...args) => run(kubo, args, { env });
  await ipfs("init", "--profile=test");
  await ipfs("config", "Routing.Type", "none");
  const child = spawn(kubo, ["daemon"], { env, stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) if (line.includes("Daemon is ready")) break;
  child.stdout.resume();
  const address = JSON.parse((await ipfs("id", "--enc=json")).stdout).Addresses.find((each) => each.startsWith("/ip4/127.0.0.1/tcp/"));
  return { ipfs, address, stop: () => { child.kill("SIGTERM"); return new Promise((resolve) => child.once("exit", resolve)); } };
}

// Seconds that one Helia needs to get a file from another.
async function betweenHelias(path) {
  const program = root("tests/js/helia-peer.mjs");
  const giver = spawn(process.execPath, [program, "give", path], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(giver, "exit");
  try {
    for await (const line of createInterface({ input: giver.stdout })) {
      const { address, cid } = JSON.parse(line);
      const { seconds, bytes } = JSON.parse((await run(process.execPath, [program, "fetch", address, cid])).stdout);
      if (bytes !== TRANSFER_MIB * MIB) throw new Error(`Helia got ${bytes} bytes`);
      return seconds;
    }
    throw new Error("Helia ended before it gave anything");
  } finally {
    giver.stdin.end();
    await ended;
  }
}

const row = (what, ours, theirs, { peer = "Kubo", floor } = {}) => ({
  what,
  nubes: `${median(ours).toFixed(2)} s`,
  peer: `${peer} ${median(theirs).toFixed(2)} s`,
  ratio: median(theirs.map((time, round) => time / ours[round])).toFixed(2),
  floor,
});

export async function ipfs(dir) {
  const one = await cloud(dir, { validators: 1 });
  await mkdir(`${dir}/second`);
  const two = await cloud(`${dir}/second`, { validators: 1 });
  const [a, b] = [await daemon(`${dir}/kubo-a`), await daemon(`${dir}/kubo-b`)];
  const nubes = (node, ...args) => run(binary, [...args, "--quiet", "--node", `http://127.0.0.1:${node.base}`]);
  try {
    const rows = [];
    const times = { add: [[], []], get: [[], []], many: [[], []], transfer: [[], []], helia: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      await fill(`${dir}/big`, 1024);
      let ours, theirs;
      times.add[0].push(await seconds(async () => { ours = (await nubes(one, "add", `${dir}/big`)).stdout.trim(); }));
      times.add[1].push(await seconds(async () => { theirs = (await a.ipfs("add", "-Q", "--cid-version=1", "--chunker=size-1048576", `${dir}/big`)).stdout.trim(); }));
      times.get[0].push(await seconds(() => nubes(one, "get", ours, "--output", `${dir}/got-ours`)));
      times.get[1].push(await seconds(() => a.ipfs("get", theirs, "-o", `${dir}/got-theirs`)));
      await rm(`${dir}/got-ours`);
      await rm(`${dir}/got-theirs`);
      await mkdir(`${dir}/many`);
      for (let index = 0; index < FILES; index += 1) await writeFile(`${dir}/many/${index}`, randomBytes(1_024));
      times.many[0].push(await seconds(() => nubes(one, "add", `${dir}/many`)));
      times.many[1].push(await seconds(() => a.ipfs("add", "-r", "-Q", "--cid-version=1", `${dir}/many`)));
      await rm(`${dir}/many`, { recursive: true });
      await fill(`${dir}/big`, TRANSFER_MIB);
      ours = (await nubes(one, "add", `${dir}/big`)).stdout.trim();
      theirs = (await a.ipfs("add", "-Q", "--cid-version=1", "--chunker=size-1048576", `${dir}/big`)).stdout.trim();
      const peer = one.ready.exchange.find((each) => each.includes("/tcp/") && !each.includes("/ws"));
      times.transfer[0].push(await seconds(() => nubes(two, "fetch", ours, "--peer", peer)));
      await b.ipfs("swarm", "connect", a.address);
      times.transfer[1].push(await seconds(() => b.ipfs("pin", "add", theirs)));
      times.helia.push(await betweenHelias(`${dir}/big`));
    }
    rows.push(row("add 1 GiB", ...times.add, { floor: "aim 3" }));
    rows.push(row("add 10,000 files of 1 KiB", ...times.many, { floor: "aim 5" }));
    rows.push(row("get 1 GiB", ...times.get));
    rows.push(row(`bitswap, ${TRANSFER_MIB} MiB to an own kind`, ...times.transfer));
    rows.push(row(`bitswap, ${TRANSFER_MIB} MiB to an own kind, Helia in memory`, times.transfer[0], times.helia, { peer: "Helia" }));
    return rows;
  } finally {
    for (const each of [a, b, one, two]) await each.stop();
  }
}
